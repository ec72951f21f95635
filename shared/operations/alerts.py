"""Alerts: list them, and close those whose cause is gone."""

from __future__ import annotations

from collections.abc import Sequence

from shared.errors import Rejected
from shared.operations.audit import audited
from shared.runtime.clock import SystemClock
from shared.state.alerts import AlertRow, Alerts
from shared.state.audit import Audit
from shared.state.database import Database
from shared.state.database_clock import database_clock

STATES = ("open", "resolved")
# PostgreSQL's bigint: a longer number is no alert's.
_MAX_DIGITS = 18


def select_alerts(alerts: Sequence[AlertRow], which: str) -> list[AlertRow]:
    """The alert with this number, or all alerts of this kind. Pure."""
    if which.isdecimal() and len(which) <= _MAX_DIGITS:
        return [alert for alert in alerts if alert.id == int(which)]
    return [alert for alert in alerts if alert.kind == which]


async def list_alerts(database: Database, state: str = "open", connection: str | None = None) -> Sequence[AlertRow]:
    """The alerts in this state, the latest first. Raises TargetDown."""
    return await Alerts(database).list(state, connection)


async def close_alerts(database: Database, which: str, because: str, actor: str) -> list[AlertRow]:
    """Close the open alert with this number, or all of this kind.

    Raises Rejected if there is none, TargetDown.
    """
    alerts, audit = Alerts(database), Audit(database)
    selected = select_alerts(await alerts.list(), which)
    if not selected:
        raise Rejected(f"no open alert has the number or kind {which!r}: `tillbridge alerts list` shows the open ones")
    clock = await database_clock(database, SystemClock())
    closed = []
    for alert in selected:
        details = {"kind": alert.kind, "entity": alert.entity, "key": alert.key, "because": because}
        async with audited(audit, clock, actor, "alert.close", str(alert.id), details) as outcome:
            rows = await alerts.close(clock.now(), number=alert.id)
            # It may have been resolved since it was listed.
            outcome["closed"] = len(rows)
        closed += rows
    return closed
