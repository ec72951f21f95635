"""`tillbridge audit list|verify`: what operators did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from services.cli.options import AsJson, database_url, run_operation
from shared.operations.audit import list_audit, verify_audit
from shared.runtime.output import ago, console, fail, print_json, print_table, utc_now
from shared.state.audit import Checked, Entry
from shared.state.database import Database

app = typer.Typer(help="What operators did.", no_args_is_help=True)


@app.command(name="list")
def list_all(
    limit: Annotated[int, typer.Option(min=0, help="The latest so many; 0 for all.")] = 50, as_json: AsJson = False
) -> None:
    """What operators did, oldest first."""

    async def work() -> Sequence[Entry]:
        async with Database.open(database_url(), 1) as database:
            return await list_audit(database, limit)

    entries = run_operation(work())
    if as_json:
        print_json([asdict(entry) for entry in entries])
        return
    now = utc_now()
    cells = [(e.number, ago(e.at, now), e.actor, e.action, e.object, _details(e.details)) for e in entries]
    print_table("", ("no", "ago", "who", "did", "to", "details"), cells, empty="nothing was done by hand yet")


def _details(details: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in details.items())


@app.command(name="verify")
def verify(
    since: Annotated[
        str, typer.Option(metavar="NUMBER:HASH", help="What an earlier check printed: it must still be there.")
    ] = "",
) -> None:
    """Whether the trail is whole: no row changed, none taken out from between.

    Rows cut off at the end, or a trail written anew as a whole, show only against what an earlier check printed.
    """

    async def work() -> Checked:
        async with Database.open(database_url(), 1) as database:
            return await verify_audit(database, since)

    checked = run_operation(work())
    if checked.fault:
        fail(f"the audit trail is not whole: {checked.fault}")
    console().print(f"the audit trail is whole: {checked.rows} rows, {checked.mark}", markup=False)
