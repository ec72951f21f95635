"""`tillbridge trace`: an order's way through all services."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from services.cli.options import AsJson, OfConnection, database_url, run_operation
from shared.canonical.hop import Hop
from shared.operations.trace import OrderTrace, read_traces
from shared.runtime.output import clock_time, console, fail, print_json, print_table
from shared.state.database import Database

app = typer.Typer(add_completion=False)


@app.command()
def trace(
    query: Annotated[str, typer.Argument(help="An order number, a Shopify id, a Heartland id or order number.")],
    connection: OfConnection = None,
    as_json: AsJson = False,
) -> None:
    """Show an order's way through all services, hop by hop."""

    async def work() -> list[OrderTrace]:
        async with Database.open(database_url(), 1) as database:
            return await read_traces(database, query, connection)

    found = run_operation(work())
    if not found:
        if as_json:
            print_json([])
        fail(f"no order {query} in the journal: give an order number (1001), a Shopify id or a Heartland id")
    show(found, as_json=as_json)


def show(found: Sequence[OrderTrace], *, as_json: bool) -> None:
    if as_json:
        print_json([trace_.as_json() for trace_ in found])
        return
    for trace_ in found:
        console().print(heading(trace_), markup=False)
        columns = ("time", "after", "service", "outcome", "attempts", "took", "detail")
        print_table("", columns, [_row(trace_, hop) for hop in trace_.hops], empty="")


def heading(trace_: OrderTrace) -> str:
    number = trace_.order_number or "(no number yet)"
    heartland = f"Heartland {trace_.heartland_id}" if trace_.heartland_id else "not in Heartland yet"
    return f"order {number} of {trace_.connection}: Shopify {trace_.shopify_id}, {heartland}"


def _row(trace_: OrderTrace, hop: Hop) -> tuple[str, ...]:
    after = (hop.finished_at - trace_.began).total_seconds()
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
    """The service's detail, and how many notices this event merged."""
    merged = f" (merged {len(hop.lineage)} notices)" if len(hop.lineage) > 1 else ""
    return hop.detail + merged
