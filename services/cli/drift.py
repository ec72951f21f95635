"""`tillbridge drift`: where the two systems differ, and what was done about it."""

from __future__ import annotations

import getpass
from dataclasses import asdict
from typing import Any

from shared.canonical.alert import dealt_with
from shared.errors import Rejected
from shared.runtime.clock import SystemClock
from shared.runtime.output import ago, console, print_json, print_table, utc_now
from shared.state.alerts import Alerts
from shared.state.audit import Audit
from shared.state.database import Database
from shared.state.database_clock import database_clock
from shared.state.drift import UNDER_WAY, Drift, DriftLedger
from shared.state.reviews import Reviews


async def list_drift(url: str, state: str, entity: str, connection: str, *, as_json: bool) -> None:
    """Raises TargetDown."""
    states = (state,) if state else UNDER_WAY
    async with Database.open(url, 1) as database:
        rows = [row for row in await DriftLedger(database).list(states, connection) if entity in ("", row.entity)]
    if as_json:
        print_json([plain(row) for row in rows])
        return
    now = utc_now()
    cells = [
        (
            row.id,
            row.connection,
            row.entity,
            row.key,
            row.kind,
            row.state,
            f"{row.at_risk} {row.currency}",
            ago(row.first_seen, now),
            row.looks,
            row.reason,
        )
        for row in rows
    ]
    columns = ("no", "connection", "entity", "key", "kind", "state", "at risk", "since", "looks", "what differs")
    print_table("", columns, cells, empty="both systems agree, as far as they were compared")


async def show_drift(url: str, number: int, *, as_json: bool) -> None:
    """Everything about one, what undoes its repair included. Raises Rejected, TargetDown."""
    async with Database.open(url, 1) as database:
        row = await DriftLedger(database).get(number)
    if row is None:
        raise Rejected(f"there is no difference {number}")
    if as_json:
        print_json(plain(row))
        return
    for name, value in plain(row).items():
        console().print(f"{name}: {value}", markup=False)


async def ignore_drift(url: str, number: int, because: str) -> None:
    """It stays as it is, and is not told of again. Raises Rejected, TargetDown."""
    async with Database.open(url, 1) as database:
        row = await DriftLedger(database).get(number)
        if row is None:
            raise Rejected(f"there is no difference {number}")
        await DriftLedger(database).becomes(number, "ignored")
        await Reviews(database).resolve(row.connection, row.entity, row.key, (row.kind,))
        now = (await database_clock(database, SystemClock())).now()
        over = dealt_with("drift", row.connection, row.entity, row.key, service="cli", at=now)
        await Alerts(database).take([over])
        await Audit(database).note(now, getpass.getuser(), "drift.ignore", str(number), {"because": because})


def plain(row: Drift) -> dict[str, Any]:
    return {**asdict(row), "at_risk": str(row.at_risk)}
