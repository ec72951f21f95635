"""The command `tillbridge`: run everything, and ask how it goes."""

from __future__ import annotations

import asyncio
import getpass
import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer

from services.cli import drift as differences
from services.cli import hands, lists, sandbox, status, story, webhooks
from services.cli import keys as parked_keys
from services.cli import run as running
from services.cli.place import Place, environment, find
from services.cli.setup import connect_accounts, migrate_all
from shared.errors import IntegrationError
from shared.runtime.output import console, fail, print_json
from shared.state.drift import STATES

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
drift = typer.Typer(help="Where the two systems differ.", no_args_is_help=True)
app.add_typer(drift, name="drift")
audit = typer.Typer(help="What operators did.", no_args_is_help=True)
app.add_typer(audit, name="audit")
app.add_typer(parked, name="parked")
app.add_typer(webhooks.app, name="webhooks")
app.add_typer(sandbox.app, name="sandbox")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Number = Annotated[int, typer.Argument(help="The difference's number.")]
# For commands whose words a service reads by itself.
HANDED_ON: dict[str, Any] = {
    "add_help_option": False,
    "context_settings": {"allow_extra_args": True, "ignore_unknown_options": True},
}
Keys = Annotated[
    list[str] | None, typer.Argument(help="Keys as `parked list` shows them, in quotes ('main|5123'), or ids (5123).")
]
OfService = Annotated[str, typer.Option("--service", help="Only of this service.")]
OfConnection = Annotated[str | None, typer.Option("--connection", help="Only of this connection.")]


def _do(work: Coroutine[Any, Any, T]) -> T:
    """Run it; what goes wrong for a reason is one line."""
    try:
        return asyncio.run(work)
    except IntegrationError as error:
        fail(error.reason)
    except KeyboardInterrupt:
        fail("interrupted", 130)


def _place() -> Place:
    try:
        return find(environment())
    except IntegrationError as error:
        fail(error.reason)


def _database_url() -> str:
    return _place().database_url


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


@alerts.command(name="close")
def close_alerts(
    which: Annotated[str, typer.Argument(help="A number, as `alerts list` shows it, or a kind: all of that kind.")],
    because: Annotated[str, typer.Option(help="Why, for the audit trail.")] = "",
    as_json: AsJson = False,
) -> None:
    """Close alerts whose trouble is over, though nobody said so. What is raised again opens anew."""
    if not because:
        fail("say why, by --because: it stands in the audit trail")
    done = _do(hands.close_alerts(_database_url(), which, because, getpass.getuser()))
    hands.told("closed", done, as_json=as_json)


@parked.command(name="retry")
def retry_parked(
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
    chosen = parked_keys.Chosen(tuple(keys or ()), reason, waits_for, entity, connection or "", service)
    _need_choice(chosen, everything=everything)
    done = _do(parked_keys.retry_keys(_place().environ(environment()), chosen, getpass.getuser()))
    hands.told("tried again", done, as_json=as_json)


@parked.command(name="drop")
def drop_parked(
    keys: Keys = None,
    because: Annotated[str, typer.Option(help="Why, for the audit trail.")] = "",
    service: OfService = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Give up what waits for these keys. It goes to the dead letters, as discarded, and the keys flow again."""
    if not keys or not because:
        fail("say which keys, and why, by --because: it stands in the audit trail")
    place, chosen = _place(), parked_keys.Chosen(tuple(keys), service=service)
    rows = _do(parked_keys.meant(place.database_url, chosen))
    if rows and not yes:
        typer.confirm(parked_keys.summary(rows), abort=True, err=True)
    done = _do(parked_keys.drop_keys(place.environ(environment()), chosen, because, getpass.getuser())) if rows else []
    hands.told("dropped", done, as_json=as_json)


def _need_choice(chosen: parked_keys.Chosen, *, everything: bool) -> None:
    if chosen.is_any and not everything:
        fail("say which keys: by name, by --reason, --waits-for, --entity, --connection, --service, or --all")


@reviews.command(name="decide")
def decide_review(
    number: Annotated[int, typer.Argument(help="The review's number.")],
    as_: Annotated[str, typer.Option("--as", help="done (by hand), ignore, or retry (write it again).")],
    because: Annotated[str, typer.Option(help="Why, for the audit trail.")] = "",
    as_json: AsJson = False,
) -> None:
    """Close a review: it was done by hand, it does not matter, or the record is to go through again."""
    if as_ not in hands.DECISIONS:
        fail(f"--as is {', '.join(hands.DECISIONS)}, not {as_}")
    place = _place()
    done = _do(hands.decide(place.environ(environment()), number, as_, because, getpass.getuser()))
    hands.told(as_, [done], as_json=as_json)


@audit.command(name="list")
def list_audit(
    limit: Annotated[int, typer.Option(min=0, help="The latest so many; 0 for all.")] = 50, as_json: AsJson = False
) -> None:
    """What operators did, oldest first."""
    _do(hands.list_audit(_database_url(), limit, as_json=as_json))


@audit.command(name="verify")
def verify_audit(
    since: Annotated[
        str, typer.Option(metavar="NUMBER:HASH", help="What an earlier check printed: it must still be there.")
    ] = "",
) -> None:
    """Whether the trail is whole: no row changed, none taken out from between.

    Rows cut off at the end, or a trail written anew as a whole, show only against what an earlier check printed.
    """
    checked = _do(hands.verify_audit(_database_url(), since))
    if checked.fault:
        fail(f"the audit trail is not whole: {checked.fault}")
    console().print(f"the audit trail is whole: {checked.rows} rows, {checked.mark}", markup=False)


@drift.command(name="list")
def list_drift(
    state: Annotated[str, typer.Option(help="open, repairing, review, repaired, gone or ignored.")] = "",
    entity: Annotated[str, typer.Option(help="Only of this entity.")] = "",
    connection: OfConnection = None,
    as_json: AsJson = False,
) -> None:
    """Where the two systems differ, the most money at risk first."""
    if state and state not in STATES:
        fail(f"--state is {', '.join(STATES)}, not {state}")
    _do(differences.list_drift(_database_url(), state, entity, connection or "", as_json=as_json))


@drift.command(name="show")
def show_drift(number: Number, as_json: AsJson = False) -> None:
    """Everything about one difference, and what undoes its repair."""
    _do(differences.show_drift(_database_url(), number, as_json=as_json))


@drift.command(name="ignore")
def ignore_drift(number: Number, because: Annotated[str, typer.Option(help="Why, for the audit trail.")] = "") -> None:
    """Let a difference be."""
    if not because:
        fail("say why, by --because: it stands in the audit trail")
    _do(differences.ignore_drift(_database_url(), number, because))


@drift.command(name="repair", **HANDED_ON)
def repair_drift(context: typer.Context) -> None:
    """Send differences through once more, now."""
    _hand_over("services.reconciler.once", "repair", *context.args)


@app.command(name="reconcile", **HANDED_ON)
def reconcile(context: typer.Context) -> None:
    """Compare both systems now: orders, payments, fulfilments and whatever else is compared."""
    _hand_over("services.reconciler.once", "reconcile", *context.args)


def _hand_over(module: str, *words: str) -> NoReturn:
    """A service of its own takes over this process, terminal and all."""
    # Whoever asks for help need not have anything running.
    environ = environment() if "--help" in words else _place().environ(environment())
    os.execve(sys.executable, [sys.executable, "-m", module, *words], environ)


@app.command(name="dlq", **HANDED_ON)
def dead_letters(context: typer.Context) -> None:
    """Dead letters: list, show, replay, edit, discard."""
    _hand_over("services.replay", *context.args)


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
