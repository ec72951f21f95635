"""`tillbridge status`: the state of the system, on one screen."""

from __future__ import annotations

from collections.abc import Mapping

import typer

from services.cli.options import AsJson, run_operation, running_system
from services.cli.service_table import COLUMNS, row
from shared.operations.status import Status, read_status
from shared.runtime.output import console, print_json, print_table
from shared.state.database import Database
from shared.state.overview import ConnectionState

app = typer.Typer(add_completion=False)


@app.command(name="status")
def show_status(as_json: AsJson = False) -> None:
    """Show services, connections, reviews, alerts, drift, dead letters, breakers and rate limits."""

    async def work() -> Status:
        system = running_system()
        async with Database.open(system.database_url, 1) as database:
            return await read_status(database, system.services, system.bootstrap_servers, system.topic_prefix)

    show(run_operation(work()), as_json=as_json)


def show(status: Status, *, as_json: bool) -> None:
    if as_json:
        print_json(status.as_json())
        return
    print_table(
        "services",
        COLUMNS,
        map(row, status.services),
        empty="services: no addresses known; set STATUS_URLS (a local run needs no setting)",
    )
    columns = (
        "connection", "orders", "reviews", "parked", "halted", "in doubt", "dead", "alerts", "breakers", "drift",
    )  # fmt: skip
    cells = [_cells(one, status.breakers) for one in status.connections]
    print_table("\nconnections", columns, cells, empty="connections: none yet, `tillbridge connect` adds one")
    console().print(f"\nopen reviews   {_counts(status.reviews)}", markup=False)
    drift = ", ".join(
        f"{one.connection}: {one.kind} of {one.key} ({one.at_risk} {one.currency})" for one in status.drift[:5]
    )
    console().print(
        f"drift          {len(status.drift)} open: {drift}" if drift else "drift          none", markup=False
    )
    console().print(f"open alerts    {_counts(status.alerts)}", markup=False)
    letters = "unknown (Kafka does not answer)" if status.dead_letters is None else _counts(status.dead_letters)
    console().print(f"dead letters   {letters}", markup=False)
    breakers = ", ".join(f"{name} {state}" for name, state in sorted(status.breakers.items()))
    console().print(f"breakers       {breakers or 'all closed'}", markup=False)
    waiting, refused = _counts(status.waiting), _counts(status.throttled)
    console().print(f"rate limits    calls waiting: {waiting}; refused by the vendor: {refused}", markup=False)


def _cells(state: ConnectionState, breakers: Mapping[str, str]) -> tuple[object, ...]:
    own = [
        f"{name.partition('/')[2]} {how}"
        for name, how in sorted(breakers.items())
        if name.startswith(f"{state.connection}/")
    ]
    drift = f"{state.drift} ({state.at_risk})" if state.at_risk else state.drift
    counts = (state.orders, state.open_reviews, state.parked, state.halted, state.in_doubt, state.dead, state.alerts)
    return (state.connection, *counts, ", ".join(own) or "closed", drift)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()) if count) or "none"
