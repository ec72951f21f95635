"""Runs one unit of work: hands records to their handler, and errors to the error policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from shared.errors import IntegrationError, NeedsReview, RetryLater
from shared.messaging.consumer.error_handling import Applied, ErrorHandling, Failure
from shared.messaging.consumer.error_policy import Policy
from shared.messaging.consumer.lane_retry import LaneRetry, LaneSource, Rest
from shared.messaging.consumer.loop_guard import LoopGuard
from shared.messaging.consumer.outages import Outages
from shared.messaging.consumer.reporter import CARRIED_OUT, Reporter
from shared.messaging.dead_letters.writer import DeadLetterCause, DeadLetters
from shared.messaging.lanes.lane import Kind, Work
from shared.messaging.parking.parked_retry import ParkedRetry
from shared.messaging.parking.parking import Parking
from shared.messaging.record import ConsumerOptions, Record, Result, Route
from shared.runtime.clock import Clock
from shared.state.parked import Parked
from shared.state.reviews import Reviews

LOOP = "loop_suspected"
_LOOP_ADVICE = (
    "Something writes this record again and again: usually two automations that undo each other's changes, here or at "
    "a vendor. Its trace shows the writes; change or stop one of the automations."
)


def build_work_runner(
    routes: Mapping[str, Route],
    parking: Parking,
    parked: Parked,
    reviews: Reviews,
    dead_letters: DeadLetters,
    reporter: Reporter,
    options: ConsumerOptions,
    clock: Clock,
    random: Callable[[], float],
) -> WorkRunner:
    """A runner with one error policy for records from Kafka and for parked ones.

    `random` gives numbers from 0 to 1.
    """
    outages = Outages(options.outage_park_seconds)
    error_handling = ErrorHandling(reviews, dead_letters, reporter, clock)
    lane_retry = LaneRetry(parking, outages, reporter, options, clock, random)
    parked_retry = ParkedRetry(parked, reviews, error_handling, outages, reporter, options, clock, random)
    return WorkRunner(routes, parking, lane_retry, parked_retry, error_handling, outages, reporter, options, clock)


class WorkRunner:
    """Runs work of every lane. The scheduler makes one call at a time per lane."""

    def __init__(
        self,
        routes: Mapping[str, Route],
        parking: Parking,
        lane_retry: LaneRetry,
        parked_retry: ParkedRetry,
        error_handling: ErrorHandling,
        outages: Outages,
        reporter: Reporter,
        options: ConsumerOptions,
        clock: Clock,
    ) -> None:
        self._routes = routes
        self._parking = parking
        self._lane_retry = lane_retry
        self._parked_retry = parked_retry
        self._error_handling = error_handling
        self._outages = outages
        self._reporter = reporter
        self._options = options
        self._loops = LoopGuard(options.loop_writes, options.loop_seconds)
        self._clock = clock

    async def run(self, work: Work) -> Rest | None:
        """None: all results of the work are durable, its offsets may be committed.

        Rest: not yet, try again later.

        Raises every error that the policy does not handle, which stops the service, and Fenced: another process owns
        the work by now.
        """
        route = self._routes[work.key[0]]
        started_at = self._clock.now()
        try:
            return await self._do(work, route, started_at)
        except IntegrationError as error:
            # `_handle` handles the errors of handlers. Here arrive TargetDown of the database, the broker, or the
            # target of a parked key, and errors that must stop the service.
            decision = self._lane_retry.decide(work, error)
            if decision.verdict is not Policy.AGAIN:
                raise
            return self._lane_retry.again(work, route, error, decision, started_at)

    async def _do(self, work: Work, route: Route, started_at: datetime) -> Rest | None:
        match work.kind:
            case Kind.RUN:
                return await self._handle(work, route, started_at)
            case Kind.APPEND:
                # No longer parked: the records go back to their lane, and run.
                return None if await self._parking.append(work, route) else Rest(0.0)
            case Kind.RETRY_PARKED:
                await self._parking.retry(work, route, self._parked_retry)
                return None
            case Kind.UNREADABLE:
                await self._dead_letter_unreadable(work, route)
                return None

    async def _handle(self, work: Work, route: Route, started_at: datetime) -> Rest | None:
        records = work.records
        for record in records:
            record.attempts = work.lane.attempts + 1
        if route.writes and self._loops.is_looping(work.key, self._clock.monotonic()):
            await self._park_loop(work, route, started_at)
            return None
        try:
            self._refuse_loops(records)
            result = await route.handle(records)
        except IntegrationError as error:
            source = LaneSource(self._lane_retry, work, route)
            failure = Failure(route, records, error, started_at, first_failed_at=started_at)
            applied = await self._error_handling.apply(failure, source)
            return source.rest if applied is Applied.WAITING else None
        if result.outcome in CARRIED_OUT:
            self._outages.succeeded(work.lane.connection)
            if route.writes:
                self._loops.wrote(work.key, self._clock.monotonic())
        self._error_handling.succeeded(route)
        self._reporter.ended(route, records, result, started_at)
        return None

    async def _park_loop(self, work: Work, route: Route, started_at: datetime) -> None:
        """Park a key that is written again and again, and open a review.

        Its newest state is written after the wait: nothing is lost if the record is only busy, and a loop is slowed
        down.
        """
        seconds = self._options.loop_seconds
        reason = f"written {self._options.loop_writes} times within {seconds:.0f} s, which indicates a loop"
        review = NeedsReview(reason, kind=LOOP, advice=_LOOP_ADVICE, details={"seconds": seconds})
        await self._error_handling.open_review(work.records[-1], route, review)
        await self._parking.park(work, route, RetryLater(reason), seconds)
        self._reporter.loop_suspected(route, work.records[-1], reason)
        self._reporter.failed(route.entity, "loop")
        self._reporter.ended(route, work.records, Result("parked", reason), started_at)

    def _refuse_loops(self, records: Sequence[Record]) -> None:
        """Raises NeedsReview for an event that has come through too many services."""
        hops = max(record.envelope.hop for record in records)
        if hops > self._options.max_hops:
            raise NeedsReview(
                f"the event has passed {hops} services, which indicates a loop",
                kind=LOOP,
                advice=_LOOP_ADVICE,
                details={"hops": hops},
            )

    async def _dead_letter_unreadable(self, work: Work, route: Route) -> None:
        record = work.unreadable
        if record is None:
            return
        now = self._clock.now()
        cause = DeadLetterCause(record.reason, "Unreadable", 1, now, now)
        await self._error_handling.send_dead_letter(record, route, cause)
        self._reporter.failed(route.entity, "unreadable")
        self._reporter.unreadable(route, record)
