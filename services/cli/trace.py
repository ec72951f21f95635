"""`tillbridge trace`: the story of an order through all hops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from services.cli.options import AsJson, OfConnection, database_url, run_operation
from shared.canonical.hop import Hop
from shared.operations.trace import Story, read_stories
from shared.runtime.output import clock_time, console, fail, print_json, print_table
from shared.state.database import Database

app = typer.Typer()


@app.command()
def trace(
    query: Annotated[str, typer.Argument(help="An order number, a Shopify id, a Heartland id or order number.")],
    connection: OfConnection = None,
    as_json: AsJson = False,
) -> None:
    """The story of an order through all hops."""

    async def work() -> list[Story]:
        async with Database.open(database_url(), 1) as database:
            return await read_stories(database, query, connection)

    found = run_operation(work())
    if not found:
        if as_json:
            print_json([])
        fail(f"nothing is known of {query}: give an order number (1001), a Shopify id or a Heartland id")
    show(found, as_json=as_json)


def show(found: Sequence[Story], *, as_json: bool) -> None:
    if as_json:
        print_json([story.as_json() for story in found])
        return
    for story in found:
        console().print(heading(story), markup=False)
        columns = ("time", "after", "service", "what happened", "tries", "took", "detail")
        print_table("", columns, [_row(story, hop) for hop in story.hops], empty="")


def heading(story: Story) -> str:
    number = story.order_number or "(no number yet)"
    heartland = story.heartland_id or "not there yet"
    return f"order {number} of {story.connection}: Shopify {story.shopify_id}, Heartland {heartland}"


def _row(story: Story, hop: Hop) -> tuple[str, ...]:
    after = (hop.finished_at - story.began).total_seconds()
    took = (hop.finished_at - hop.started_at).total_seconds()
    return (
        clock_time(hop.finished_at),
        f"{after:.3f} s",
        hop.service,
        f"{hop.entity} {hop.outcome}",
        str(hop.attempts),
        f"{took:.3f} s",
        _detail(hop),
    )


def _detail(hop: Hop) -> str:
    """What the service said, and for how many events this one stands."""
    merged = f" (for {len(hop.lineage)} notices)" if len(hop.lineage) > 1 else ""
    return hop.detail + merged
