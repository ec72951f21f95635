"""`tillbridge reviews list|decide`: what a person has to decide or do by hand."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from services.cli.options import (
    AsJson,
    Because,
    OfConnection,
    database_url,
    operator,
    run_operation,
    tell,
    tool_settings,
)
from shared.operations.reviews import DECISIONS, STATES, decide_review, list_reviews
from shared.runtime.output import ago, console, fail, print_json, utc_now
from shared.runtime.settings import Settings
from shared.state.database import Database
from shared.state.reviews import Review

app = typer.Typer(help="What a person has to decide or to do by hand.", no_args_is_help=True)


@app.command(name="list")
def list_all(
    state: Annotated[str, typer.Option(help="open, resolved or decided.")] = "open",
    connection: OfConnection = None,
    as_json: AsJson = False,
) -> None:
    """The reviews, the newest first."""
    if state not in STATES:
        fail(f"--state is open, resolved or decided, not {state}")

    async def work() -> list[Review]:
        async with Database.open(database_url(), 1) as database:
            return await list_reviews(database, state, connection)

    found = run_operation(work())
    if as_json:
        print_json([asdict(review) for review in found])
        return
    for review in found:
        _show(review)
    if not found:
        console().print(f"no {state} reviews")


def _show(review: Review) -> None:
    since = ago(review.opened_at, utc_now())
    place = f"{review.connection} {review.entity} {review.key}"
    console().print(f"[{review.id}] {review.kind}  {place}  ({review.state} for {since})", markup=False)
    console().print(f"    {review.title}", markup=False)
    console().print(f"    what to do: {review.advice}", markup=False)
    for name, value in review.details.items():
        console().print(f"      {name}: {value}", markup=False)


@app.command(name="decide")
def decide(
    number: Annotated[int, typer.Argument(help="The review's number.")],
    as_: Annotated[str, typer.Option("--as", help="done (by hand), ignore, or retry (write it again).")],
    because: Because = "",
    as_json: AsJson = False,
) -> None:
    """Close a review: it was done by hand, it does not matter, or the record is to go through again."""
    if as_ not in DECISIONS:
        fail(f"--as is {', '.join(DECISIONS)}, not {as_}")
    done = run_operation(decide_review(tool_settings(Settings), number, as_, because, operator()))
    tell(as_, [done], nothing="", as_json=as_json)
