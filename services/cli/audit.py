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

app = typer.Typer(add_completion=False, help="The audit trail: what operators did.", no_args_is_help=True)


@app.command(name="list")
def list_all(
    limit: Annotated[int, typer.Option(min=0, help="How many of the latest entries; 0 for all.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List what operators did, oldest first. Each act has a row `requested` and a row `done` or `failed`."""

    async def work() -> Sequence[Entry]:
        async with Database.open(database_url(), 1) as database:
            return await list_audit(database, limit)

    entries = run_operation(work())
    if as_json:
        print_json([asdict(entry) for entry in entries])
        return
    now = utc_now()
    cells = [(e.number, ago(e.at, now), e.actor, e.action, e.object, _details(e.details)) for e in entries]
    print_table(
        "",
        ("number", "ago", "operator", "action", "object", "details"),
        cells,
        empty="the audit trail is empty: no operator has changed anything yet",
    )


def _details(details: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in details.items())


@app.command(name="verify")
def verify(
    since: Annotated[
        str,
        typer.Option(metavar="NUMBER:HASH", help="The mark that an earlier check printed: that row must be unchanged."),
    ] = "",
) -> None:
    """Check that no row of the audit trail was changed or removed.

    Rows removed at the end, or a trail that was rewritten as a whole, are found only with --since.
    """

    async def work() -> Checked:
        async with Database.open(database_url(), 1) as database:
            return await verify_audit(database, since)

    checked = run_operation(work())
    if checked.fault:
        fail(f"the audit trail was tampered with: {checked.fault}")
    console().print(f"the audit trail is intact: {checked.rows} rows, mark for --since: {checked.mark}", markup=False)
