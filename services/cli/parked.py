"""`tillbridge parked list|retry|drop`: keys whose records wait."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from services.cli.options import (
    NO_REASON,
    AsJson,
    Because,
    OfConnection,
    OfService,
    database_url,
    operator,
    print_result,
    run_operation,
    tool_settings,
)
from shared.operations.parked import ParkedSelection, drop_parked, list_parked, retry_parked
from shared.runtime.output import ago, fail, print_json, print_table, utc_now
from shared.runtime.settings import Settings
from shared.state.database import Database
from shared.state.overview import ParkedRow

app = typer.Typer(
    add_completion=False,
    help="Keys whose records wait: for their next attempt, for something missing, or for a person.",
    no_args_is_help=True,
)
Keys = Annotated[
    list[str] | None, typer.Argument(help="Keys as `parked list` shows them, in quotes ('main|5123'), or ids (5123).")
]
NO_MATCH = "no parked key matches: `tillbridge parked list` shows them; put a whole key in quotes: 'main|5123'"


@app.command(name="list")
def list_all(connection: OfConnection = None, as_json: AsJson = False) -> None:
    """List parked keys, the longest waiting first."""
    _show(_selected(ParkedSelection(connection=connection or "")), as_json=as_json)


@app.command(name="retry")
def retry(
    keys: Keys = None,
    reason: Annotated[str, typer.Option(help="Only with this in the reason.")] = "",
    waits_for: Annotated[str, typer.Option(help="Only keys that wait for this, as `parked list` shows it.")] = "",
    entity: Annotated[str, typer.Option(help="Only of this entity.")] = "",
    connection: OfConnection = None,
    service: OfService = "",
    everything: Annotated[bool, typer.Option("--all", help="All parked keys.")] = False,
    as_json: AsJson = False,
) -> None:
    """Retry parked keys now, also halted ones (all attempts used up)."""
    selection = ParkedSelection(tuple(keys or ()), reason, waits_for, entity, connection or "", service)
    if selection.is_any and not everything:
        fail("select parked keys: give keys, --reason, --waits-for, --entity, --connection or --service, or --all")
    done = run_operation(retry_parked(tool_settings(Settings), selection, operator()))
    print_result("scheduled for retry now:", done, nothing=NO_MATCH, as_json=as_json)


@app.command(name="drop")
def drop(
    keys: Keys = None,
    because: Because = "",
    service: OfService = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    as_json: AsJson = False,
) -> None:
    """Drop the waiting records of these keys.

    They become discarded dead letters, and the keys are free again.
    """
    if not keys:
        fail("select parked keys: give keys, as `tillbridge parked list` shows them")
    if not because:
        fail(NO_REASON)
    selection = ParkedSelection(tuple(keys), service=service)
    rows = _selected(selection)
    if rows and not yes:
        typer.confirm(summary(rows), abort=True, err=True)
    settings = tool_settings(Settings)
    done = run_operation(drop_parked(settings, selection, because, operator())) if rows else []
    print_result("dropped the waiting records of", done, nothing=NO_MATCH, as_json=as_json)


def _selected(selection: ParkedSelection) -> list[ParkedRow]:
    async def work() -> list[ParkedRow]:
        async with Database.open(database_url(), 1) as database:
            return await list_parked(database, selection)

    return run_operation(work())


def summary(rows: Sequence[ParkedRow]) -> str:
    """The question before a drop: which records, and what becomes of them."""
    lines = [f"  '{row.key}' ({row.entity}) of {row.service}: {row.records} records" for row in rows]
    return "\n".join(["these records wait and become discarded dead letters:", *lines, "Drop them?"])


def _show(rows: Sequence[ParkedRow], *, as_json: bool) -> None:
    if as_json:
        print_json([row.as_json() for row in rows])
        return
    now = utc_now()
    columns = (
        "key",
        "entity",
        "service",
        "state",
        "waits for",
        "since",
        "next attempt",
        "attempts",
        "records",
        "reason",
    )
    cells = [
        (
            row.key,
            row.entity,
            row.service,
            row.state,
            row.waits_for or "next attempt",
            ago(row.first_failed_at, now),
            "-" if row.state == "halted" else f"in {ago(max(row.next_attempt_at, now), now)}",
            row.attempts,
            row.records,
            row.reason,
        )
        for row in rows
    ]
    print_table("", columns, cells, empty="no parked keys")
