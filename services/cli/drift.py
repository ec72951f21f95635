"""`tillbridge drift list|show|ignore|repair`: differences between the two systems."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any, get_args

import typer

from services.cli.options import (
    NO_REASON,
    AsJson,
    Because,
    OfConnection,
    database_url,
    operator,
    run_operation,
    tool_settings,
)
from shared.operations import drift as differences
from shared.operations.comparison.settings import ComparisonSettings
from shared.operations.reconcile import open_comparison
from shared.operations.reconcile import repair as repair_now
from shared.runtime.output import ago, console, fail, print_json, print_table, utc_now
from shared.state.database import Database
from shared.state.drift import STATES, Drift, State

app = typer.Typer(add_completion=False, help="Differences between Shopify and Heartland.", no_args_is_help=True)
Number = Annotated[int, typer.Argument(help="The difference's number, as `drift list` shows it.")]


@app.command(name="list")
def list_all(
    state: Annotated[
        str, typer.Option(help="Only in this state: open, repairing, review, repaired, gone or ignored.")
    ] = "",
    entity: Annotated[str, typer.Option(help="Only of this entity.")] = "",
    connection: OfConnection = None,
    as_json: AsJson = False,
) -> None:
    """List differences, the most money at risk first. Without --state, those that are not closed."""
    if state and state not in STATES:
        fail(f"--state must be {', '.join(STATES)}, not {state}")
    selected: State | None = next((one for one in get_args(State) if one == state), None)

    async def work() -> list[Drift]:
        async with Database.open(database_url(), 1) as database:
            return await differences.list_drift(database, selected, entity, connection or "")

    _show(run_operation(work()), as_json=as_json)


@app.command(name="show")
def show(number: Number, as_json: AsJson = False) -> None:
    """Show everything about one difference, with what undoes its repair."""

    async def work() -> Drift:
        async with Database.open(database_url(), 1) as database:
            return await differences.get_drift(database, number)

    row = _plain(run_operation(work()))
    if as_json:
        print_json(row)
        return
    for name, value in row.items():
        console().print(f"{name}: {value}", markup=False)


@app.command(name="ignore")
def ignore(number: Number, because: Because = "", as_json: AsJson = False) -> None:
    """Ignore a difference. It opens again only if the amount or the reason changes."""
    if not because:
        fail(NO_REASON)

    async def work() -> Drift:
        async with Database.open(database_url(), 1) as database:
            return await differences.ignore_drift(database, number, because, operator())

    row = run_operation(work())
    if as_json:
        print_json(_plain(row))
        return
    money = f", {row.at_risk} {row.currency} at risk" if row.at_risk else ""
    console().print(
        f"ignored difference {row.id}: {row.kind} of {row.entity} {row.key} (connection {row.connection}{money})",
        markup=False,
    )


@app.command(name="repair")
def repair(
    numbers: Annotated[list[int], typer.Argument(help="The differences' numbers, as `drift list` shows them.")],
    as_json: AsJson = False,
) -> None:
    """Repair these differences now, whatever the caps: their records are read and written again."""

    async def work() -> list[int]:
        async with open_comparison(tool_settings(ComparisonSettings)) as parts:
            return await repair_now(parts, numbers, operator())

    done = run_operation(work())
    if as_json:
        print_json(done)
    else:
        console().print(
            f"repair started for {', '.join(map(str, done))}: `tillbridge drift show` shows how it ended", markup=False
        )


def _show(rows: Sequence[Drift], *, as_json: bool) -> None:
    if as_json:
        print_json([_plain(row) for row in rows])
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
    columns = ("number", "connection", "entity", "key", "kind", "state", "at risk", "since", "seen", "what differs")
    print_table("", columns, cells, empty="no differences found")


def _plain(row: Drift) -> dict[str, Any]:
    return {**asdict(row), "at_risk": str(row.at_risk)}
