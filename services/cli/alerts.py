"""`tillbridge alerts list|close`: what the system wants an operator to know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from services.cli.options import NO_REASON, AsJson, Because, OfConnection, database_url, operator, run_operation, tell
from shared.operations.alerts import STATES, close_alerts
from shared.runtime.output import ago, fail, print_json, print_table, utc_now
from shared.state.alerts import AlertRow, Alerts
from shared.state.database import Database

app = typer.Typer(help="What the system wants an operator to know.", no_args_is_help=True)


@app.command(name="list")
def list_all(
    state: Annotated[str, typer.Option(help="open or resolved.")] = "open",
    connection: OfConnection = None,
    as_json: AsJson = False,
) -> None:
    """The alerts, the latest first."""
    if state not in STATES:
        fail(f"--state is open or resolved, not {state}")

    async def work() -> Sequence[AlertRow]:
        async with Database.open(database_url(), 1) as database:
            return await Alerts(database).list(state, connection)

    _show(run_operation(work()), state, as_json=as_json)


@app.command(name="close")
def close(
    which: Annotated[str, typer.Argument(help="A number, as `alerts list` shows it, or a kind: all of that kind.")],
    because: Because = "",
    as_json: AsJson = False,
) -> None:
    """Close alerts whose cause is gone. What is raised again opens anew."""
    if not because:
        fail(NO_REASON)

    async def work() -> list[AlertRow]:
        async with Database.open(database_url(), 1) as database:
            return await close_alerts(database, which, because, operator())

    closed = [f"{row.id} {row.kind} of {row.connection or 'the whole'}" for row in run_operation(work())]
    tell("closed", closed, nothing="", as_json=as_json)


def _show(found: Sequence[AlertRow], state: str, *, as_json: bool) -> None:
    if as_json:
        print_json([asdict(alert) for alert in found])
        return
    now = utc_now()
    columns = (
        "number", "severity", "kind", "connection", "entity", "key", "service", "times", "since", "last", "reason",
    )  # fmt: skip
    cells = [
        (
            alert.id,
            alert.severity,
            alert.kind,
            alert.connection,
            alert.entity,
            alert.key,
            alert.service,
            alert.times,
            ago(alert.opened_at, now),
            ago(alert.last_at, now),
            alert.reason,
        )
        for alert in found
    ]
    print_table("", columns, cells, empty=f"no {state} alerts")
