"""Retries records from Kafka: they wait in their lane, where they hold the watermark, or are parked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from shared.errors import IntegrationError, TargetDown
from shared.limits.retry import RetrySchedule, backoff
from shared.messaging.consumer.error_handling import Applied, Failure
from shared.messaging.consumer.error_policy import PolicyDecision, decide
from shared.messaging.consumer.outages import Outages
from shared.messaging.consumer.reporter import Reporter
from shared.messaging.lanes.lane import Work
from shared.messaging.parking.parking import Parking
from shared.messaging.record import ConsumerOptions, Result, Route
from shared.runtime.clock import Clock

# A wrong Retry-After must not stop a key for a day.
_LONGEST_AFTER_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class Rest:
    """The work is not done: its lane repeats it after `seconds`."""

    seconds: float


class LaneRetry:
    """Counts attempts and outages of work in lanes, and says how long it waits."""

    def __init__(
        self,
        parking: Parking,
        outages: Outages,
        reporter: Reporter,
        options: ConsumerOptions,
        clock: Clock,
        random: Callable[[], float],
    ) -> None:
        self._parking = parking
        self._outages = outages
        self._reporter = reporter
        self._options = options
        self._schedule = RetrySchedule(options.park_schedule)
        self._clock = clock
        self._random = random

    def decide(self, work: Work, error: IntegrationError, *, is_own: bool = False) -> PolicyDecision:
        """What the policy says of an error. `is_own`: see `error_policy.decide`."""
        return decide(
            error,
            attempts=work.lane.attempts + 1,
            lane_attempts=self._options.lane_attempts,
            longest_rest=self._options.backoff_cap_seconds,
            is_own=is_own,
        )

    def is_own(self, work: Work, error: IntegrationError) -> bool:
        """Note the error of a handler. Whether the vendor fails this record alone."""
        return self._outages.is_own(work.lane, error, self._clock.monotonic())

    def again(
        self, work: Work, route: Route, error: IntegrationError, decision: PolicyDecision, started_at: datetime
    ) -> Rest:
        """Keep the work in its lane."""
        lane = work.lane
        lane.tries += 1
        if decision.counts:
            lane.attempts += 1
        self._reporter.failed(route.entity, decision.label)
        if lane.tries == 1 and work.records:
            # Once, not at each attempt: an outage of an hour must not fill the journal.
            self._reporter.tried(route, work.records[-1], error.reason, started_at)
        return Rest(self._rest_seconds(work, decision))

    def _rest_seconds(self, work: Work, decision: PolicyDecision) -> float:
        base, cap = self._options.backoff_base_seconds, self._options.backoff_cap_seconds
        longest, lane = _LONGEST_AFTER_SECONDS, work.lane
        if decision.outage:
            cap = min(cap, self._options.outage_rest_seconds)
            # Waiting work holds memory and its watermark: longer waits are for the breaker, or in the database.
            longest = self._options.outage_park_seconds
            if lane.down_since is not None:
                longest -= self._clock.monotonic() - lane.down_since
        return max(backoff(lane.tries, base, cap, self._random), min(decision.after, longest))

    def is_long(self, work: Work, outage: str) -> bool:
        """Whether the vendor has been down for so long that the work should wait in the database.

        Either for the whole connection, or for this event alone, which would hold the watermark without end.
        """
        if not outage:
            return False
        now, lane = self._clock.monotonic(), work.lane
        is_long = lane.down_since is not None and now - lane.down_since >= self._options.outage_park_seconds
        return self._outages.failed(lane.connection, outage, now) or is_long

    async def shed(self, work: Work, failure: Failure, error: TargetDown) -> None:
        """Park the work until its vendor is back. No attempt is counted."""
        await self._parking.shed(work, failure.route, error)
        self._reporter.failed(failure.route.entity, "target_down")
        self._report_parked(failure, f"waits until {error.target} is back: {error.reason}")

    async def park(self, work: Work, failure: Failure, after: float) -> None:
        """Park the work's key, for `after` seconds at least."""
        wait = max(self._schedule.wait(1, self._random) or 0.0, after)
        await self._parking.park(work, failure.route, failure.error, wait)
        self._report_parked(failure, failure.error.reason)

    def _report_parked(self, failure: Failure, detail: str) -> None:
        self._reporter.ended(failure.route, failure.records, Result("parked", detail), failure.started_at)


@dataclass(slots=True)
class LaneSource:
    """One unit of work, see `error_handling.RecordSource`. `rest` is for how long it stays in its lane."""

    retry: LaneRetry
    work: Work
    route: Route
    rest: Rest | None = None

    def decide(self, error: IntegrationError) -> PolicyDecision:
        return self.retry.decide(self.work, error, is_own=self.retry.is_own(self.work, error))

    async def retry_soon(self, failure: Failure, decision: PolicyDecision) -> Applied:
        error = failure.error
        if isinstance(error, TargetDown) and self.retry.is_long(self.work, decision.outage):
            await self.retry.shed(self.work, failure, error)
            return Applied.DONE
        self.rest = self.retry.again(self.work, self.route, error, decision, failure.started_at)
        return Applied.WAITING

    async def retry_later(self, failure: Failure, decision: PolicyDecision) -> Applied:
        await self.retry.park(self.work, failure, decision.after)
        return Applied.DONE
