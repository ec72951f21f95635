"""Reviews: what a person has to decide, and what follows from a decision."""

from __future__ import annotations

import uuid

from shared.entities.spec import load
from shared.entities.table import owner
from shared.errors import Misconfigured, Rejected
from shared.messaging.kafka.producer import open_producer
from shared.messaging.parking.parked_retry import HALTED
from shared.operations.parked import ParkedSelection, retry_parked
from shared.runtime.clock import Clock, SystemClock
from shared.runtime.settings import Settings
from shared.state.audit import Audit
from shared.state.database import Database
from shared.state.database_clock import database_clock
from shared.state.reviews import Review, Reviews

STATES = ("open", "resolved", "decided")
DECISIONS = ("done", "ignore", "retry")


async def list_reviews(database: Database, state: str = "open", connection: str | None = None) -> list[Review]:
    """The reviews in this state, the newest first. Raises TargetDown."""
    return [row for row in await Reviews(database).list(state) if connection in (None, row.connection)]


async def decide_review(settings: Settings, number: int, decision: str, because: str, actor: str) -> str:
    """Closes a review: `done` by hand, `ignore` it, or `retry` to write the record again. What is to be said of it.

    Raises Rejected for one that is not open, Misconfigured for one that cannot be tried again, TargetDown.
    """
    async with Database.open(settings.database_url, 1) as database:
        reviews, clock = Reviews(database), await database_clock(database, SystemClock())
        review = next((row for row in await reviews.list() if row.id == number), None)
        if review is None:
            raise Rejected(f"there is no open review {number}")
        key, later = f"{review.connection}|{review.key}", ""
        if review.kind == HALTED:
            await _start_key(settings, review, key, decision, actor)
        elif decision == "retry":
            later = await _send_again(settings, review, clock)
        details = {"review": number, "kind": review.kind, "as": decision, "because": because}
        await Audit(database).note(clock.now(), actor, "review.decide", key, details)
        if review.kind != HALTED:
            await reviews.decide(number, decision)
    return f"{review.kind} of {review.connection} {review.entity} {review.key}{later}"


async def _start_key(settings: Settings, review: Review, key: str, decision: str, actor: str) -> None:
    """Retries a halted key. Its review stays open until the key flows: whoever frees the key closes it."""
    if decision != "retry":
        raise Rejected(f"a halted key is not over by that: use `tillbridge parked drop '{key}'`, or decide --as retry")
    if not await retry_parked(settings, ParkedSelection((key,), entity=review.entity), actor):
        raise Rejected(f"nothing of '{key}' is parked any more")


async def _send_again(settings: Settings, review: Review, clock: Clock) -> str:
    """Lets the record go through once more; what is to be said of it. Raises Misconfigured where it cannot."""
    spec = owner(review.entity)
    if spec.read_again:
        event_id = f"repair:review-{review.id}:{uuid.uuid4().hex[:8]}"
        topic, notice = load(spec.read_again)(review.connection, review.key, event_id, clock.now(), "review")
        async with open_producer(settings, clock) as producer:
            await producer.send(topic, notice)
        return ""
    if spec.comparison:
        # Once the review is closed, the reconciler finds the difference and repairs it.
        return f"; the reconciler sends the {spec.name} again"
    raise Misconfigured(f"a review about a {review.entity} cannot be tried again from here")
