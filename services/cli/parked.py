"""`tillbridge parked list|retry|drop`: keys that wait."""

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
    run_operation,
    tell,
    tool_settings,
)
from shared.operations.parked import ParkedSelection, drop_parked, list_parked, retry_parked
from shared.runtime.output import ago, fail, print_json, print_table, utc_now
from shared.runtime.settings import Settings
from shared.state.database import Database
from shared.state.overview import ParkedRow

app = typer.Typer(help="Keys that wait: for a time, for something missing, for a person.", no_args_is_help=True)
Keys = Annotated[
    list[str] | None, typer.Argument(help="Keys as `parked list` shows them, in quotes ('main|5123'), or ids (5123).")
]
NO_MATCH = "no parked key matches; `tillbridge parked list` shows them, a whole key needs quotes: 'main|5123'"


@app.command(name="list")
def list_all(connection: OfConnection = None, as_json: AsJson = False) -> None:
    """The parked keys, the longest waiting first."""
    _show(_selected(ParkedSelection(connection=connection or "")), as_json=as_json)


@app.command(name="retry")
def retry(
    keys: Keys = None,
    reason: Annotated[str, typer.Option(help="Only with this in the reason.")] = "",
    waits_for: Annotated[str, typer.Option(help="Only what waits for this.")] = "",
    entity: Annotated[str, typer.Option(help="Only of this entity.")] = "",
    connection: OfConnection = None,
    service: OfService = "",
    everything: Annotated[bool, typer.Option("--all", help="All parked keys.")] = False,
    as_json: AsJson = False,
) -> None:
    """Try parked keys at once, also those that were given up."""
    chosen = ParkedSelection(tuple(keys or ()), reason, waits_for, entity, connection or "", service)
    if chosen.is_any and not everything:
        fail("say which keys: by name, by --reason, --waits-for, --entity, --connection, --service, or --all")
    done = run_operation(retry_parked(tool_settings(Settings), chosen, operator()))
    tell("tried again", done, nothing=NO_MATCH, as_json=as_json)


@app.command(name="drop")
def drop(
    keys: Keys = None,
    because: Because = "",
    service: OfService = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Give up what waits for these keys. It becomes discarded dead letters, and the keys flow again."""
    if not keys:
        fail("say which keys: `tillbridge parked list` shows them")
    if not because:
        fail(NO_REASON)
    chosen = ParkedSelection(tuple(keys), service=service)
    rows = _selected(chosen)
    if rows and not yes:
        typer.confirm(summary(rows), abort=True, err=True)
    settings = tool_settings(Settings)
    done = run_operation(drop_parked(settings, chosen, because, operator())) if rows else []
    tell("dropped", done, nothing=NO_MATCH, as_json=as_json)


def _selected(chosen: ParkedSelection) -> list[ParkedRow]:
    async def work() -> list[ParkedRow]:
        async with Database.open(database_url(), 1) as database:
            return await list_parked(database, chosen)

    return run_operation(work())


def summary(rows: Sequence[ParkedRow]) -> str:
    """What would be given up, for the question whether it may be."""
    lines = [f"  '{row.key}' ({row.entity}) of {row.service}: {row.records} records" for row in rows]
    return "\n".join(["this is what waits:", *lines, "give it up?"])


def _show(rows: Sequence[ParkedRow], *, as_json: bool) -> None:
    if as_json:
        print_json([row.as_json() for row in rows])
        return
    now = utc_now()
    columns = ("key", "entity", "service", "state", "waits for", "since", "next try", "tries", "records", "reason")
    cells = [
        (
            row.key,
            row.entity,
            row.service,
            row.state,
            row.waits_for or "its time",
            ago(row.first_failed_at, now),
            "-" if row.state == "halted" else f"in {ago(max(row.next_attempt_at, now), now)}",
            row.attempts,
            row.records,
            row.reason,
        )
        for row in rows
    ]
    print_table("", columns, cells, empty="nothing is parked")
