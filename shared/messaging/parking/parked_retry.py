"""A parked key's turn: what waits in the database goes through the handler again, in order, until it is free."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from shared.errors import IntegrationError, NeedsReview, RetryLater, TargetDown, Waiting
from shared.limits.retry import RetrySchedule
from shared.messaging.consumer.error_policy import Policy, judge
from shared.messaging.consumer.outages import Outages, is_outage
from shared.messaging.consumer.reporter import CARRIED_OUT, Reporter
from shared.messaging.dead_letters.writer import Cause, DeadLetters
from shared.messaging.lanes.lane import Lane
from shared.messaging.parking.parked_rows import record_of
from shared.messaging.record import ConsumerOptions, Record, Result, Route
from shared.runtime.clock import Clock
from shared.runtime.logging import masked
from shared.state.parked import Parked, ParkedKey, ParkedRecord, subject_of
from shared.state.reviews import Reviews

HALTED = "halted"


class Replay:
    """Replays parked keys. One call at a time per key: the key's lane sees to that."""

    def __init__(
        self,
        parked: Parked,
        reviews: Reviews,
        dead_letters: DeadLetters,
        outages: Outages,
        reporter: Reporter,
        options: ConsumerOptions,
        clock: Clock,
        random: Callable[[], float],
    ) -> None:
        self._parked = parked
        self._reviews = reviews
        self._dead_letters = dead_letters
        self._outages = outages
        self._reporter = reporter
        self._options = options
        self._schedule = RetrySchedule(options.park_schedule)
        self._clock = clock
        self._random = random

    async def replay(self, key: ParkedKey, route: Route, epoch: int, lane: Lane) -> bool:
        """True: nothing of the key is parked any more. False: it stays, due now, later, or halted for a person.

        Raises TargetDown when the target or the database is away: nothing was counted, try the same again with the same
        `lane`, which remembers since when. Raises Fenced when the partition, of which we have this `epoch`, is another
        process's by now.
        """
        begun = key
        while rows := await self._parked.records(key.topic, key.key):
            batch = rows if route.collapse else rows[:1]
            try:
                if not await self._try(key, route, batch, epoch, lane):
                    return False
            except TargetDown:
                if key is begun:
                    raise
                # Whoever tries again must know that this record has failed nothing: the key is still due.
                return False
            if await self._parked.release(key, batch[-1].seq or 0, epoch):
                if await self._reviews.resolve(key.connection, key.entity, subject_of(key.key), (HALTED,)):
                    self._reporter.flows_again(route, key.connection, subject_of(key.key))
                return True
            key = replace(key, attempts=0, first_failed_at=self._clock.now())
        return await self._parked.release(key, 0, epoch)

    async def _try(self, key: ParkedKey, route: Route, rows: Sequence[ParkedRecord], epoch: int, lane: Lane) -> bool:
        """Whether these rows are done with."""
        tried = self._options.lane_attempts + key.attempts + 1
        records = [record_of(row, tried, urgent=not is_outage(key.waits_for)) for row in rows]
        started_at = self._clock.now()
        try:
            result = await route.handle(records)
        except IntegrationError as error:
            is_own = self._outages.is_own(lane, error, self._clock.monotonic())
            if isinstance(error, TargetDown) and not is_own:
                raise
            return await self._failed(key, route, records, error, started_at, epoch)
        if result.outcome in CARRIED_OUT:
            self._outages.worked(key.connection)
        self._dead_letters.interrupt()
        self._reporter.ended(route, records, result, started_at)
        return True

    async def _failed(
        self,
        key: ParkedKey,
        route: Route,
        records: list[Record],
        error: IntegrationError,
        started_at: datetime,
        epoch: int,
    ) -> bool:
        # An outage does not come here: what is left of a vendor's failures is the record's own trouble.
        judgement = judge(error, attempts=1, lane_attempts=1, longest_rest=0.0, is_own=True)
        if judgement.verdict is Policy.STOP:
            raise error
        self._reporter.failed(route.entity, judgement.label)
        if isinstance(error, NeedsReview):
            await open_review(self._reviews, records[-1], route, error)
            self._reporter.ended(route, records, Result("review", error.reason), started_at)
            return True
        if judgement.verdict is Policy.PARK and await self._later(key, error, epoch):
            self._reporter.tried(route, records[-1], error.reason, started_at)
            return False
        return await self._give_up(key, route, records, error, started_at, epoch)

    async def _later(self, key: ParkedKey, error: IntegrationError, epoch: int) -> bool:
        """Set the key's next attempt; False when its attempts, or its time to wait, are used up."""
        now = self._clock.now()
        wait = self._wait(key, error, now)
        if wait is None:
            return False
        waits_for = error.waits_for if isinstance(error, Waiting) else None
        await self._parked.failed_again(
            key, type(error).__name__, masked(error.reason), waits_for, now + timedelta(seconds=wait), epoch
        )
        return True

    def _wait(self, key: ParkedKey, error: IntegrationError, now: datetime) -> float | None:
        tries = key.attempts + 2  # those after parking, this one and the next: the first wait began them
        if isinstance(error, Waiting):
            if (now - key.first_failed_at).total_seconds() >= self._options.waiting_give_up_seconds:
                return None
            return self._schedule.wait(min(tries, len(self._options.park_schedule)), self._random)
        wait = self._schedule.wait(tries, self._random)
        after = error.after if isinstance(error, RetryLater) else None
        return wait if wait is None else max(wait, after or 0.0)

    async def _give_up(
        self,
        key: ParkedKey,
        route: Route,
        records: list[Record],
        error: IntegrationError,
        started_at: datetime,
        epoch: int,
    ) -> bool:
        last = records[-1]
        cause = Cause(
            reason=error.reason,
            error_class=type(error).__name__,
            attempts=last.attempts,
            first_failed=key.first_failed_at,
            last_failed=self._clock.now(),
            retriable=isinstance(error, (RetryLater, Waiting)),
        )
        await self._dead_letters.send(last, cause)
        self._reporter.buried(route, last, cause)
        self._reporter.ended(route, records, Result("dead_letter", error.reason), started_at)
        if not cause.retriable or route.give_up == "skip":
            return True
        await self._halt(key, route, last, error, epoch)
        return False

    async def _halt(self, key: ParkedKey, route: Route, record: Record, error: IntegrationError, epoch: int) -> None:
        advice = "Remove the cause, then start the key again; its later events wait behind it."
        review = NeedsReview(error.reason, kind=HALTED, advice=advice, details={"attempts": record.attempts})
        await open_review(self._reviews, record, route, review)
        await self._parked.halt(key, masked(error.reason), epoch)
        self._reporter.halted(route, record, error.reason)


async def open_review(reviews: Reviews, record: Record, route: Route, error: NeedsReview) -> None:
    """A person has something to decide about this record's aggregate. Raises TargetDown without a database."""
    envelope = record.envelope
    await reviews.open(
        envelope.connection, error.kind, route.entity, envelope.subject, error.reason, error.advice, error.details
    )
