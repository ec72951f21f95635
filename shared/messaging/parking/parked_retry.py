"""Retries parked keys: their records go through the handler again, in order, until none is parked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from shared.errors import IntegrationError, NeedsReview, RetryLater, TargetDown, Waiting
from shared.limits.retry import RetrySchedule
from shared.messaging.consumer.error_handling import Applied, ErrorHandling, Failure
from shared.messaging.consumer.error_policy import PolicyDecision, decide
from shared.messaging.consumer.outages import Outages, is_outage
from shared.messaging.consumer.reporter import CARRIED_OUT, Reporter
from shared.messaging.lanes.lane import Lane
from shared.messaging.parking.parked_rows import record_of
from shared.messaging.record import ConsumerOptions, Record, Route
from shared.runtime.clock import Clock
from shared.runtime.logging import masked
from shared.state.parked import Parked, ParkedKey, ParkedRecord, subject_of
from shared.state.reviews import Reviews

HALTED = "halted"


class ParkedRetry:
    """Retries parked keys. The key's lane makes one call at a time per key."""

    def __init__(
        self,
        parked: Parked,
        reviews: Reviews,
        error_handling: ErrorHandling,
        outages: Outages,
        reporter: Reporter,
        options: ConsumerOptions,
        clock: Clock,
        random: Callable[[], float],
    ) -> None:
        self._parked = parked
        self._reviews = reviews
        self._error_handling = error_handling
        self._outages = outages
        self._reporter = reporter
        self._options = options
        self._schedule = RetrySchedule(options.park_schedule)
        self._clock = clock
        self._random = random

    async def retry(self, key: ParkedKey, route: Route, epoch: int, lane: Lane) -> bool:
        """True: nothing of the key is parked any more.

        False: it stays, due now, later, or halted for a person.

        Raises TargetDown when the target or the database is down: no attempt was counted, and the caller tries again
        with the same `lane`, which remembers since when. Raises Fenced when another process has taken over the
        partition, of which we have this `epoch`.
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
                # For this record no attempt is counted: the key stays due.
                return False
            if await self._parked.release(key, batch[-1].seq or 0, epoch):
                if await self._reviews.resolve(key.connection, key.entity, subject_of(key.key), (HALTED,)):
                    self._reporter.key_resumed(route, key.connection, subject_of(key.key))
                return True
            key = replace(key, attempts=0, first_failed_at=self._clock.now())
        return await self._parked.release(key, 0, epoch)

    async def _try(self, key: ParkedKey, route: Route, rows: Sequence[ParkedRecord], epoch: int, lane: Lane) -> bool:
        """Hand these rows to the handler. Whether they are durably handled."""
        tried = self._options.lane_attempts + key.attempts + 1
        records = [record_of(row, tried, urgent=not is_outage(key.waits_for)) for row in rows]
        started_at = self._clock.now()
        try:
            result = await route.handle(records)
        except IntegrationError as error:
            failure = Failure(route, records, error, started_at, key.first_failed_at)
            applied = await self._error_handling.apply(failure, _ParkedSource(self, key, lane, epoch))
            if applied is Applied.HALTED:
                await self._halt(key, route, records[-1], error, epoch)
            return applied is Applied.DONE
        if result.outcome in CARRIED_OUT:
            self._outages.succeeded(key.connection)
        self._error_handling.succeeded(route)
        self._reporter.ended(route, records, result, started_at)
        return True

    def wait(self, key: ParkedKey, error: IntegrationError) -> float | None:
        """Seconds until the key's next attempt; None when its attempts, or its time to wait, are used up."""
        tries = key.attempts + 2  # those after parking, this one and the next: the first wait began them
        if isinstance(error, Waiting):
            waited = (self._clock.now() - key.first_failed_at).total_seconds()
            if waited >= self._options.waiting_give_up_seconds:
                return None
            return self._schedule.wait(min(tries, len(self._options.park_schedule)), self._random)
        wait = self._schedule.wait(tries, self._random)
        after = error.after if isinstance(error, RetryLater) else None
        return wait if wait is None else max(wait, after or 0.0)

    async def keep(self, key: ParkedKey, failure: Failure, wait: float, epoch: int) -> None:
        """Set the key's next attempt."""
        error = failure.error
        waits_for = error.waits_for if isinstance(error, Waiting) else None
        next_attempt = self._clock.now() + timedelta(seconds=wait)
        await self._parked.failed_again(key, type(error).__name__, masked(error.reason), waits_for, next_attempt, epoch)
        self._reporter.tried(failure.route, failure.records[-1], error.reason, failure.started_at)

    def is_own(self, lane: Lane, error: IntegrationError) -> bool:
        """Note the error. Whether the vendor fails this record alone."""
        return self._outages.is_own(lane, error, self._clock.monotonic())

    async def _halt(self, key: ParkedKey, route: Route, record: Record, error: IntegrationError, epoch: int) -> None:
        advice = "Remove the cause, then retry the key (`tillbridge parked retry`); its later events wait behind it."
        review = NeedsReview(error.reason, kind=HALTED, advice=advice, details={"attempts": record.attempts})
        await self._error_handling.open_review(record, route, review)
        await self._parked.halt(key, masked(error.reason), epoch)
        self._reporter.halted(route, record, error.reason)


@dataclass(frozen=True, slots=True)
class _ParkedSource:
    """One parked key, see `error_handling.RecordSource`."""

    retry: ParkedRetry
    key: ParkedKey
    lane: Lane
    epoch: int

    def decide(self, error: IntegrationError) -> PolicyDecision:
        # Parked records have no attempts in the lane: each further one is the key's next attempt.
        is_own = self.retry.is_own(self.lane, error)
        return decide(error, attempts=1, lane_attempts=1, longest_rest=0.0, is_own=is_own)

    async def retry_soon(self, failure: Failure, decision: PolicyDecision) -> Applied:
        """The vendor is down. No attempt is counted: the lane waits and repeats the retry."""
        raise failure.error

    async def retry_later(self, failure: Failure, decision: PolicyDecision) -> Applied:
        wait = self.retry.wait(self.key, failure.error)
        if wait is None:
            return Applied.USED_UP
        await self.retry.keep(self.key, failure, wait, self.epoch)
        return Applied.WAITING
