"""Alerts as an operator sees and ends them."""

from __future__ import annotations

from shared.errors import Rejected
from shared.runtime.clock import SystemClock
from shared.state.alerts import AlertRow, Alerts
from shared.state.audit import Audit
from shared.state.database import Database
from shared.state.database_clock import database_clock

STATES = ("open", "resolved")


async def close_alerts(database: Database, which: str, because: str, actor: str) -> list[AlertRow]:
    """Resolves the open alert of this number, or all of this kind. Raises Rejected where there is none, TargetDown."""
    number = int(which) if which.isdecimal() and len(which) < 19 else None
    now = (await database_clock(database, SystemClock())).now()
    closed = await Alerts(database).close(now, number=number, kind=which if number is None else None)
    for row in closed:
        details = {"kind": row.kind, "entity": row.entity, "key": row.key, "because": because}
        await Audit(database).note(now, actor, "alert.close", str(row.id), details)
    if not closed:
        raise Rejected(f"there is no open alert {which}")
    return closed
