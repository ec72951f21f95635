"""The command `tillbridge`: run everything, and ask how it goes."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from services.cli import lists, status, story
from services.cli import run as running
from services.cli.output import console, fail, print_json
from services.cli.place import environment, find
from services.cli.setup import connect_accounts, migrate_all
from shared.errors import IntegrationError

T = TypeVar("T")

# The sandbox of docker-compose.yml, for a setup without accounts.
COMPOSE_SANDBOX = "http://sandbox:8090"

app = typer.Typer(
    help="Connects Heartland Retail with Shopify.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
reviews = typer.Typer(help="What a person has to decide or to do by hand.", no_args_is_help=True)
parked = typer.Typer(help="What waits: for its time, for something missing, for a person.", no_args_is_help=True)
alerts = typer.Typer(help="What the system wants an operator to know.", no_args_is_help=True)
app.add_typer(reviews, name="reviews")
app.add_typer(alerts, name="alerts")
app.add_typer(parked, name="parked")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
OfConnection = Annotated[str | None, typer.Option("--connection", help="Only of this connection.")]


def _do(work: Coroutine[Any, Any, T]) -> T:
    """Run it; what goes wrong for a reason is one line."""
    try:
        return asyncio.run(work)
    except IntegrationError as error:
        fail(error.reason)
    except KeyboardInterrupt:
        fail("interrupted", 130)


def _database_url() -> str:
    try:
        return find(environment()).database_url
    except IntegrationError as error:
        fail(error.reason)


@app.command()
def run(
    orders: Annotated[int, typer.Option(min=0, max=1000, help="Orders of the first day (with the sandbox).")] = 12,
    once: Annotated[bool, typer.Option("--once", help="Leave when the first day has arrived; fail if not.")] = False,
    folder: Annotated[Path, typer.Option(help="Where broker and database keep their data.")] = running.DATA,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget earlier runs.")] = False,
) -> None:
    """Start everything on this machine, send a first day of orders through, and show it live."""
    wishes = running.Wishes(orders, once, folder, fresh)
    if not _do(running.run(environment(), wishes, console())):
        raise SystemExit(1)


@app.command()
def trace(
    query: Annotated[str, typer.Argument(help="An order number, a Shopify id, a Heartland id or order number.")],
    connection: OfConnection = None,
    as_json: AsJson = False,
) -> None:
    """The story of an order through all hops."""
    found = _do(story.read_stories(_database_url(), query, connection))
    if not found:
        if as_json:
            print_json([])
        fail(f"nothing is known of {query}: give an order number (1001), a Shopify id or a Heartland id")
    story.show(found, as_json=as_json)


@app.command(name="status")
def show_status(as_json: AsJson = False) -> None:
    """Services, lag, parked keys, reviews, breakers, dead letters: the state of the whole."""

    async def read() -> status.Status:
        return await status.read_status(find(environment()))

    status.show(_do(read()), as_json=as_json)


@reviews.command(name="list")
def list_reviews(
    state: Annotated[str, typer.Option(help="open, resolved or decided.")] = "open",
    connection: OfConnection = None,
    as_json: AsJson = False,
) -> None:
    """The reviews, the newest first."""
    if state not in ("open", "resolved", "decided"):
        fail(f"--state is open, resolved or decided, not {state}")
    _do(lists.list_reviews(_database_url(), state, connection, as_json=as_json))


@parked.command(name="list")
def list_parked(connection: OfConnection = None, as_json: AsJson = False) -> None:
    """The parked keys, the longest waiting first."""
    _do(lists.list_parked(_database_url(), connection, as_json=as_json))


@alerts.command(name="list")
def list_alerts(
    state: Annotated[str, typer.Option(help="open or resolved.")] = "open",
    connection: OfConnection = None,
    as_json: AsJson = False,
) -> None:
    """The alerts, the latest first."""
    if state not in ("open", "resolved"):
        fail(f"--state is open or resolved, not {state}")
    _do(lists.list_alerts(_database_url(), state, connection, as_json=as_json))


@app.command()
def migrate(as_json: AsJson = False) -> None:
    """Bring the database's schema up to date and create the topics. Safe to repeat."""
    applied = _do(migrate_all(environment()))
    if as_json:
        print_json(applied)
    else:
        console().print(f"schema: {', '.join(applied) or 'up to date'}; topics: there", markup=False)


@app.command()
def connect(
    sandbox: Annotated[
        str, typer.Option(help="Address of the sandbox, used where the environment names no accounts.")
    ] = COMPOSE_SANDBOX,
) -> None:
    """Put the accounts that the environment names into the database, as one connection."""
    name, imitated = _do(connect_accounts(environment(), sandbox))
    console().print(f"connection {name}: {'the sandbox' if imitated else 'your accounts'}", markup=False)


def main() -> None:
    """The entry point of the package."""
    app()


if __name__ == "__main__":
    main()
