"""Reviews: problems that a person must decide, and what a decision does."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from shared.entities.spec import load
from shared.entities.table import owner
from shared.errors import Misconfigured, Rejected
from shared.messaging.kafka.producer import open_producer
from shared.messaging.notice import asked_for
from shared.messaging.parking.parked_retry import HALTED
from shared.operations.audit import audited
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


@dataclass(frozen=True, slots=True)
class DecidedReview:
    """A review that was decided.

    `repaired_by_reconciler`: nothing was sent, the next comparison writes the record.
    """

    review: Review
    decision: str
    repaired_by_reconciler: bool = False


async def decide_review(settings: Settings, number: int, decision: str, because: str, actor: str) -> DecidedReview:
    """Close a review: `done` by hand, `ignore` it, or `retry` to write the record again.

    Raises Rejected for one that is not open, Misconfigured for one that cannot be retried, TargetDown.
    """
    async with Database.open(settings.database_url, 1) as database:
        reviews, clock = Reviews(database), await database_clock(database, SystemClock())
        review = next((row for row in await reviews.list() if row.id == number), None)
        if review is None:
            raise Rejected(f"there is no open review {number}: `tillbridge reviews list` shows the open ones")
        key = f"{review.connection}|{review.key}"
        details = {"review": number, "kind": review.kind, "as": decision, "because": because}
        async with audited(Audit(database), clock, actor, "review.decide", key, details):
            if review.kind == HALTED:
                # Its review stays open until the key is free: freeing the key closes it.
                await _retry_key(settings, review, key, decision, actor)
                return DecidedReview(review, decision)
            is_sent = decision != "retry" or await _send_again(settings, review, clock)
            await reviews.decide(number, decision)
    return DecidedReview(review, decision, repaired_by_reconciler=not is_sent)


async def _retry_key(settings: Settings, review: Review, key: str, decision: str, actor: str) -> None:
    if decision != "retry":
        raise Rejected(f"this key is halted: retry it by --as retry, or drop it by `tillbridge parked drop '{key}'`")
    if not await retry_parked(settings, ParkedSelection((key,), entity=review.entity), actor):
        raise Rejected(f"the key '{key}' is not parked any more")


async def _send_again(settings: Settings, review: Review, clock: Clock) -> bool:
    """Send a notice that has the record written again.

    False where the reconciler does it: it compares the entity.

    Raises Misconfigured for an entity that has neither.
    """
    spec = owner(review.entity)
    if spec.read_again:
        event_id = f"repair:review-{review.id}:{uuid.uuid4().hex[:8]}"
        topic, notice = load(spec.read_again)(review.connection, review.key, event_id, clock.now(), asked_for("review"))
        async with open_producer(settings, clock) as producer:
            await producer.send(topic, notice)
        return True
    if spec.comparison:
        return False
    raise Misconfigured(f"a {review.entity} cannot be retried: correct it by hand, then decide --as done")
