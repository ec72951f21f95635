"""`tillbridge reconcile`: compare both systems now, and repair certain differences."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from services.cli.options import AsJson, run_operation, tool_settings
from shared.operations.comparison.passes import Outcome
from shared.operations.comparison.settings import ComparisonSettings
from shared.operations.comparison.subjects import entities, subject_of
from shared.operations.reconcile import open_comparison
from shared.operations.reconcile import reconcile as compare_now
from shared.runtime.output import console, print_json, print_table

app = typer.Typer(add_completion=False)


@app.command(name="reconcile")
def reconcile(
    entity: Annotated[str, typer.Argument(help=f"What to compare: one of {', '.join(entities())}.")],
    connection: Annotated[str, typer.Option(help="Only of this connection.")] = "",
    since: Annotated[
        datetime | None, typer.Option(help="Compare what changed since this time (UTC); by default, within a day.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Record differences, repair nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compare both systems now.

    Differences that were seen before, and whose right value is certain, are repaired.
    """

    async def work() -> dict[str, Outcome]:
        start = since.replace(tzinfo=UTC) if since else None
        async with open_comparison(tool_settings(ComparisonSettings)) as parts:
            return await compare_now(parts, entity, connection=connection, since=start, dry_run=dry_run)

    _show(run_operation(work()), entity, as_json=as_json)


def _show(found: dict[str, Outcome], entity: str, *, as_json: bool) -> None:
    if as_json:
        print_json({name: _plain(outcome) for name, outcome in found.items()})
        return
    for name, outcome in found.items():
        headline = f"{name}: {outcome.compared} {subject_of(entity).plural} compared, {len(outcome.found)} differences"
        console().print(f"{headline}, {len(outcome.repaired)} repairs started", markup=False)
        for line in remarks(outcome):
            console().print(line, markup=False)
        rows = outcome.found
        cells = [(row.id, row.entity, row.key, row.kind, f"{row.at_risk} {row.currency}", row.reason) for row in rows]
        if cells:
            print_table("", ("number", "entity", "key", "kind", "at risk", "what differs"), cells, empty="")


def remarks(outcome: Outcome) -> list[str]:
    """Why fewer differences are repaired than were found."""
    lines = []
    if outcome.above_cap:
        lines.append(
            "above the hourly caps: nothing is repaired automatically; "
            "check the differences, then start repairs by `tillbridge drift repair NUMBERS`"
        )
    if any(row.looks == 1 for row in outcome.found):
        lines.append(
            "new differences are repaired only when a second comparison, at least a minute later, finds them too"
        )
    if outcome.unread:
        lines.append(f"{len(outcome.unread)} records could not be read: {', '.join(sorted(outcome.unread))}")
    return lines


def _plain(outcome: Outcome) -> dict[str, object]:
    rows = {
        name: [{**asdict(row), "at_risk": str(row.at_risk)} for row in getattr(outcome, name)]
        for name in ("found", "repaired", "reviews")
    }
    return {"compared": outcome.compared, "above_cap": outcome.above_cap, "unread": outcome.unread, **rows}
