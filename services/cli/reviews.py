"""`tillbridge reviews list|decide`: problems that a person must decide or fix by hand."""

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
    tool_settings,
)
from shared.operations.reviews import DECISIONS, STATES, DecidedReview, decide_review, list_reviews
from shared.runtime.output import ago, console, fail, print_json, utc_now
from shared.runtime.settings import Settings
from shared.state.database import Database
from shared.state.reviews import Review

_RESULTS = {
    "done": "closed as done by hand",
    "ignore": "closed, it is ignored unless the problem occurs again",
    "retry": "the record is written again now",
}

app = typer.Typer(add_completion=False, help="Problems that a person must decide or fix by hand.", no_args_is_help=True)


@app.command(name="list")
def list_all(
    state: Annotated[str, typer.Option(help="Only reviews in this state: open, resolved or decided.")] = "open",
    connection: OfConnection = None,
    as_json: AsJson = False,
) -> None:
    """List reviews with what to do, the newest first."""
    if state not in STATES:
        fail(f"--state must be open, resolved or decided, not {state}")

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
    subject = f"{review.connection} {review.entity} {review.key}"
    console().print(f"[{review.id}] {review.kind}  {subject}  ({review.state} for {since})", markup=False)
    console().print(f"    {review.title}", markup=False)
    console().print(f"    what to do: {review.advice}", markup=False)
    for name, value in review.details.items():
        console().print(f"      {name}: {value}", markup=False)


@app.command(name="decide")
def decide(
    number: Annotated[int, typer.Argument(help="The review's number, as `reviews list` shows it.")],
    as_: Annotated[str, typer.Option("--as", help="done (fixed by hand), ignore, or retry (write the record again).")],
    because: Because = "",
    as_json: AsJson = False,
) -> None:
    """Close a review: it was fixed by hand, it is ignored, or the record is written again."""
    if as_ not in DECISIONS:
        fail(f"--as must be one of {', '.join(DECISIONS)}, not {as_}")
    done = run_operation(decide_review(tool_settings(Settings), number, as_, because, operator()))
    if as_json:
        print_json({**asdict(done.review), "decision": done.decision, "reconciler": done.repaired_by_reconciler})
    else:
        console().print(sentence(done), markup=False)


def sentence(decided: DecidedReview) -> str:
    """What was decided, and what happens next."""
    review = decided.review
    subject = f"review {review.id} ({review.kind} of {review.entity} {review.key}, connection {review.connection})"
    if decided.decision == "retry" and decided.repaired_by_reconciler:
        return f"{subject}: the reconciler writes the {review.entity} again at its next comparison"
    return f"{subject}: {_RESULTS[decided.decision]}"
