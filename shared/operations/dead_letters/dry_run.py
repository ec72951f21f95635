"""Dry run of a replay: the writer's own code runs with a transport that sends no writes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from prometheus_client import CollectorRegistry
from pydantic import Field

from shared.connectors.clients import open_clients
from shared.connectors.settings import VendorSettings
from shared.entities.parts import Preview, PreviewParts
from shared.entities.settings_model import settings_check
from shared.entities.spec import load
from shared.entities.table import preview_of
from shared.errors import IntegrationError, Rejected
from shared.limits.vendor_limits import open_tool_limits
from shared.messaging.dead_letters.reader import DeadLetter
from shared.operations.dead_letters.dead_letters import target_of
from shared.operations.dead_letters.resend import Sending
from shared.runtime.clock import SystemClock
from shared.runtime.metrics import ServiceMetrics
from shared.state.connections import Connections, ConnectionStore
from shared.state.database import Database

WRITERS = ("heartland_writer", "shopify_writer")
# So that a vendor which does not answer cannot hold up the operator.
_MAX_SECONDS = 60.0


class DryRunSettings(VendorSettings):
    """The writers' settings that a dry run needs, too."""

    shopify_read_lag_seconds: float = Field(10.0, ge=0, description="As the writer's")


@asynccontextmanager
async def open_previews(settings: DryRunSettings) -> AsyncIterator[PreviewParts]:
    """What previews need. Raises TargetDown without a database."""
    clock, metrics = SystemClock(), ServiceMetrics("preview", CollectorRegistry())
    async with Database.open(settings.database_url, 2) as database:
        known = Connections(await ConnectionStore(database, settings.secret_key, settings_check()).all())
        async with (
            open_tool_limits("cli", database, metrics, clock) as limits,
            open_clients(settings, known, metrics=metrics, clock=clock, limits=limits) as clients,
        ):
            yield PreviewParts(database, clients, clock, settings.shopify_read_lag_seconds)


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a replay of one dead letter would do.

    A writer's event has a `verdict` (apply, duplicate, stale ...), the `calls` that would be made, and the `problem`
    that would stop it. `is_read_again`: the event is a notice, the service reads the record itself again.
    """

    letter: str
    topic: str
    event: str
    service: str
    entity: str
    key: str
    verdict: str = ""
    calls: Sequence[Mapping[str, Any]] = ()
    problem: str = ""
    is_read_again: bool = False
    at: datetime | None = None


async def dry_run(sending: Sending, parts: PreviewParts) -> DryRun:
    """What would happen to this dead letter, without doing it."""
    letter = sending.letter
    empty = DryRun(letter.id, sending.topic, sending.event_id, letter.service, letter.entity, letter.subject)
    if letter.service not in WRITERS:
        return replace(empty, is_read_again=True)
    return await _previewed(empty, letter, sending.body, parts)


async def _previewed(empty: DryRun, letter: DeadLetter, body: bytes, parts: PreviewParts) -> DryRun:
    name = preview_of(letter.entity, target_of(letter.service))
    if not name:
        return replace(empty, problem=f"{letter.service} has no dry run for the entity {letter.entity!r}")
    try:
        async with asyncio.timeout(_MAX_SECONDS):
            found: Preview = await load(name)(parts, letter.connection, body)
    except TimeoutError:
        return replace(empty, problem=f"the vendor did not answer the dry run within {_MAX_SECONDS:.0f} s: try again")
    except Rejected as error:
        return replace(empty, problem=f"it would become a dead letter again: {error.reason}")
    except IntegrationError as error:
        return replace(empty, problem=error.reason)
    return replace(empty, verdict=found.verdict, calls=found.calls, problem=found.problem, at=parts.clock.now())
