"""Differences between both systems, as the reconciler found them."""

from __future__ import annotations

from shared.canonical.alert import dealt_with
from shared.errors import Rejected
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
    """Differences in this state (by default all that are not over), the most money at risk first. Raises TargetDown."""
    states = (state,) if state else UNDER_WAY
    return [row for row in await DriftLedger(database).list(states, connection) if entity in ("", row.entity)]


async def get_drift(database: Database, number: int) -> Drift:
    """One difference, what undoes its repair included. Raises Rejected where there is none, TargetDown."""
    row = await DriftLedger(database).get(number)
    if row is None:
        raise Rejected(f"there is no difference {number}")
    return row


async def ignore_drift(database: Database, number: int, because: str, actor: str) -> None:
    """It stays as it is, and raises no alert any more. Raises Rejected, TargetDown."""
    row = await get_drift(database, number)
    await DriftLedger(database).becomes(number, "ignored")
    await Reviews(database).resolve(row.connection, row.entity, row.key, (row.kind,))
    now = (await database_clock(database, SystemClock())).now()
    over = dealt_with("drift", row.connection, row.entity, row.key, service="cli", at=now)
    await Alerts(database).take([over])
    await Audit(database).note(now, actor, "drift.ignore", str(number), {"because": because})
