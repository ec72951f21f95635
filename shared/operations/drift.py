"""Drift: differences between the two systems, as the reconciler found them."""

from __future__ import annotations

from shared.canonical.alert import dealt_with
from shared.errors import Rejected
from shared.operations.audit import audited
from shared.runtime.clock import SystemClock
from shared.state.alerts import Alerts
from shared.state.audit import Audit
from shared.state.database import Database
from shared.state.database_clock import database_clock
from shared.state.drift import UNDER_WAY, Drift, DriftLedger, State
from shared.state.reviews import Reviews


async def list_drift(
    database: Database, state: State | None = None, entity: str = "", connection: str = ""
) -> list[Drift]:
    """Differences in this state (default: not closed), the most money at risk first. Raises TargetDown."""
    states = (state,) if state else UNDER_WAY
    return [row for row in await DriftLedger(database).list(states, connection) if entity in ("", row.entity)]


async def get_drift(database: Database, number: int) -> Drift:
    """One difference, with what undoes its repair. Raises Rejected if there is none, TargetDown."""
    row = await DriftLedger(database).get(number)
    if row is None:
        raise Rejected(f"there is no difference {number}: `tillbridge drift list` shows their numbers")
    return row


async def ignore_drift(database: Database, number: int, because: str, actor: str) -> Drift:
    """Leave a difference as it is and stop its alert. The difference as it was.

    Raises Rejected, TargetDown.

    It opens again when its amount or its reason changes.
    """
    row = await get_drift(database, number)
    clock = await database_clock(database, SystemClock())
    details = {"because": because, "kind": row.kind, "key": row.key}
    async with audited(Audit(database), clock, actor, "drift.ignore", str(number), details):
        await DriftLedger(database).becomes(number, "ignored")
        await Reviews(database).resolve(row.connection, row.entity, row.key, (row.kind,))
        ended = dealt_with("drift", row.connection, row.entity, row.key, service="cli", at=clock.now())
        await Alerts(database).take([ended])
    return row
