"""`tillbridge alerts list|close`: conditions that need an operator's attention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from services.cli.options import (
    NO_REASON,
    AsJson,
    Because,
    OfConnection,
    database_url,
    operator,
    print_result,
    run_operation,
)
from shared.operations.alerts import STATES, close_alerts, list_alerts
from shared.runtime.output import ago, fail, print_json, print_table, utc_now
from shared.state.alerts import AlertRow
from shared.state.database import Database

app = typer.Typer(add_completion=False, help="Conditions that need an operator's attention.", no_args_is_help=True)


@app.command(name="list")
def list_all(
    state: Annotated[str, typer.Option(help="Only alerts in this state: open or resolved.")] = "open",
    connection: OfConnection = None,
    as_json: AsJson = False,
) -> None:
    """List alerts, the latest first."""
    if state not in STATES:
        fail(f"--state must be open or resolved, not {state}")

    async def work() -> Sequence[AlertRow]:
        async with Database.open(database_url(), 1) as database:
            return await list_alerts(database, state, connection)

    _show(run_operation(work()), state, as_json=as_json)


@app.command(name="close")
def close(
    which: Annotated[str, typer.Argument(help="An alert's number, or a kind: closes all open alerts of that kind.")],
    because: Because = "",
    as_json: AsJson = False,
) -> None:
    """Close alerts whose cause is gone. An alert that is raised again opens again."""
    if not because:
        fail(NO_REASON)

    async def work() -> list[AlertRow]:
        async with Database.open(database_url(), 1) as database:
            return await close_alerts(database, which, because, operator())

    closed = [sentence(row) for row in run_operation(work())]
    print_result("closed", closed, nothing="these alerts were resolved in the meantime", as_json=as_json)


def sentence(row: AlertRow) -> str:
    """The alert as a line of output names it."""
    return f"alert {row.id} ({row.kind}, {f'connection {row.connection}' if row.connection else 'all connections'})"


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
