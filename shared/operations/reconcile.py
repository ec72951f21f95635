"""Compares both systems on request, and repairs differences by number."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from prometheus_client import CollectorRegistry

from shared.entities.settings_model import settings_check
from shared.errors import Rejected
from shared.operations.audit import audited
from shared.operations.comparison.parts import Parts, open_parts
from shared.operations.comparison.passes import Outcome
from shared.operations.comparison.settings import ComparisonSettings
from shared.operations.comparison.subjects import subject_of
from shared.runtime.clock import SystemClock
from shared.runtime.metrics import ServiceMetrics
from shared.state.audit import Audit
from shared.state.connections import Connections, ConnectionStore
from shared.state.database import Database

_HOURS = 24.0


@asynccontextmanager
async def open_comparison(settings: ComparisonSettings) -> AsyncIterator[Parts]:
    """What a comparison needs. On exit, Kafka has everything that was sent. Raises TargetDown."""
    clock = SystemClock()
    async with Database.open(settings.database_url, 2) as database:
        connections = Connections(await ConnectionStore(database, settings.secret_key, settings_check()).all())
        metrics = ServiceMetrics("reconcile", CollectorRegistry())
        async with open_parts(settings, database, connections, metrics, clock) as parts:
            yield parts
            await parts.producer.flush()


async def reconcile(
    parts: Parts, entity: str, *, connection: str = "", since: datetime | None = None, dry_run: bool = False
) -> dict[str, Outcome]:
    """Compare what changed since then (a day ago by default). One outcome per connection.

    A difference that an earlier comparison found too, and whose right value is certain, is repaired, unless it is a
    `dry_run`. Raises Rejected for an entity that is not compared, and what the reads raise.
    """
    subject, found = subject_of(entity), {}
    start = since or parts.clock.now() - timedelta(hours=_HOURS)
    for name in [connection] if connection else parts.connections.names():
        one = parts.pass_over(name, subject)
        keys = await one.changed_since(start, everything=True)
        found[name] = await one.compare(keys, (entity,), act=not dry_run)
    return found


async def repair(parts: Parts, numbers: Sequence[int], actor: str) -> list[int]:
    """Repair these differences now, whatever the caps.

    Raises Rejected, naming the one that cannot be repaired.
    """
    for number in numbers:
        row = await parts.ledger.get(number)
        if row is None:
            raise Rejected(f"there is no difference {number}: `tillbridge drift list` shows their numbers")
        subject = subject_of(row.entity)
        if row.kind in subject.entity(row.entity).unrepairable:
            raise Rejected(f"difference {number} has no certain right value, correct it by hand: {row.reason}")
        details = {"difference": row.kind, "key": row.key, "at_risk": str(row.at_risk)}
        async with audited(Audit(parts.database), parts.clock, actor, "drift.repair", str(number), details):
            if not await parts.pass_over(row.connection, subject).repair(row):
                raise Rejected(f"difference {number} is being repaired already: look at it again in a minute")
    return list(numbers)
