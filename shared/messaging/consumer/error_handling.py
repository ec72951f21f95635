"""What is done with one piece of work, and with the error it may end in. After it the record is durably dealt with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.errors import IntegrationError, NeedsReview, RetryLater, TargetDown
from shared.limits.retry import RetrySchedule, backoff
from shared.messaging.consumer.error_policy import Policy, PolicyDecision, judge
from shared.messaging.consumer.loop_guard import LoopGuard
from shared.messaging.consumer.outages import Outages
from shared.messaging.consumer.reporter import CARRIED_OUT, Reporter
from shared.messaging.dead_letters.writer import Cause, DeadLetters, TooManyDeadLetters
from shared.messaging.lanes.lane import Kind, Lane, Work
from shared.messaging.parking.parked_retry import Replay, open_review
from shared.messaging.parking.parking import Parking
from shared.messaging.record import ConsumerOptions, Record, Result, Route, Unreadable
from shared.runtime.clock import Clock
from shared.state.reviews import Reviews

# A Retry-After that a vendor made up should not stop a key for a day.
_LONGEST_AFTER_SECONDS = 900.0
LOOP = "loop_suspected"
_LOOP_ADVICE = "Two rules undo each other's work on this record. Look at its story, and change one of them."


@dataclass(frozen=True, slots=True)
class Rest:
    """The work is not done: its lane takes it up again after `seconds`."""

    seconds: float


class ErrorHandling:
    """The consumer's error policy, carried out."""

    def __init__(
        self,
        routes: Mapping[str, Route],
        parking: Parking,
        replay: Replay,
        reviews: Reviews,
        dead_letters: DeadLetters,
        outages: Outages,
        reporter: Reporter,
        options: ConsumerOptions,
        clock: Clock,
        random: Callable[[], float],
    ) -> None:
        self._routes = routes
        self._parking = parking
        self._replay = replay
        self._reviews = reviews
        self._dead_letters = dead_letters
        self._outages = outages
        self._reporter = reporter
        self._options = options
        self._schedule = RetrySchedule(options.park_schedule)
        self._loops = LoopGuard(options.loop_writes, options.loop_seconds)
        self._clock = clock
        self._random = random

    async def treat(self, work: Work) -> Rest | None:
        """None: everything about the work is durable, its offsets may pass. Rest: not yet, try again later.

        Any other error than those of the policy is raised: it stops the service. Fenced is raised too: the work is
        another process's by now.
        """
        route = self._routes[work.key[0]]
        started_at = self._clock.now()
        try:
            return await self._do(work, route, started_at)
        except IntegrationError as error:
            # Errors of a handler are dealt with in `_run`. What comes here is TargetDown: of our own database, of the
            # broker, or of the target of a parked key; or something that must stop the service.
            judgement = self._judge(error, work)
            if judgement.verdict is not Policy.AGAIN:
                raise
            return self._again(work, route, error, judgement, started_at)

    async def _do(self, work: Work, route: Route, started_at: datetime) -> Rest | None:
        match work.kind:
            case Kind.RUN:
                return await self._run(work, route, started_at)
            case Kind.APPEND:
                # No longer parked: the records go back to their lane, and run.
                return None if await self._parking.append(work, route) else Rest(0.0)
            case Kind.REPLAY:
                await self._parking.replayed(work, route, self._replay)
                return None
            case Kind.BURY:
                await self._bury_unreadable(work, route)
                return None

    async def _run(self, work: Work, route: Route, started_at: datetime) -> Rest | None:
        records = work.records
        for record in records:
            record.attempts = work.lane.attempts + 1
        if route.writes and self._loops.goes_round(work.key, self._clock.monotonic()):
            await self._slow_down(work, route, started_at)
            return None
        try:
            self._refuse_loops(records)
            result = await route.handle(records)
        except IntegrationError as error:
            return await self._failed(work, route, error, started_at)
        if result.outcome in CARRIED_OUT:
            self._outages.worked(work.lane.connection)
            if route.writes:
                self._loops.wrote(work.key, self._clock.monotonic())
        if self._dead_letters.interrupt():
            self._reporter.few_dead_letters(route)
        self._reporter.ended(route, records, result, started_at)
        return None

    async def _failed(self, work: Work, route: Route, error: IntegrationError, started_at: datetime) -> Rest | None:
        is_own = self._outages.is_own(work.lane, error, self._clock.monotonic())
        judgement = self._judge(error, work, is_own=is_own)
        if judgement.verdict is Policy.STOP:
            raise error
        if judgement.verdict is Policy.AGAIN:
            if isinstance(error, TargetDown) and self._lasts(work, judgement.outage):
                await self._shed(work, route, error, started_at)
                return None
            return self._again(work, route, error, judgement, started_at)
        if judgement.verdict is Policy.PARK:
            await self._parking.park(work, route, error, self._first_wait(judgement))
            outcome = "parked"
        elif isinstance(error, NeedsReview):
            await open_review(self._reviews, work.records[-1], route, error)
            outcome = "review"
        else:
            await self._bury(work.records[-1], route, error, started_at)
            outcome = "dead_letter"
        self._reporter.failed(route.entity, judgement.label)
        self._reporter.ended(route, work.records, Result(outcome, error.reason), started_at)
        return None

    def _lasts(self, work: Work, outage: str) -> bool:
        """Whether the work has met its vendor down for so long that it should wait in the database.

        Either everything of its connection has, or this one event: it would hold the watermark for ever.
        """
        if not outage:
            return False
        now, lane = self._clock.monotonic(), work.lane
        is_long = lane.down_since is not None and now - lane.down_since >= self._options.outage_park_seconds
        return self._outages.failed(lane.connection, outage, now) or is_long

    async def _shed(self, work: Work, route: Route, error: TargetDown, started_at: datetime) -> None:
        await self._parking.shed(work, route, error)
        self._reporter.failed(route.entity, "target_down")
        result = Result("parked", f"waits until {error.target} is back: {error.reason}")
        self._reporter.ended(route, work.records, result, started_at)

    async def _slow_down(self, work: Work, route: Route, started_at: datetime) -> None:
        """Park a key that goes round. Its newest state is written once the wait is over: nothing is lost if it is busy,
        and a loop turns no faster than that.
        """
        seconds = self._options.loop_seconds
        reason = f"written {self._options.loop_writes} times within {seconds:.0f} s, which a loop does"
        review = NeedsReview(reason, kind=LOOP, advice=_LOOP_ADVICE, details={"seconds": seconds})
        await open_review(self._reviews, work.records[-1], route, review)
        await self._parking.park(work, route, RetryLater(reason), seconds)
        self._reporter.goes_round(route, work.records[-1], reason)
        self._reporter.failed(route.entity, "loop")
        self._reporter.ended(route, work.records, Result("parked", reason), started_at)

    def _refuse_loops(self, records: Sequence[Record]) -> None:
        """Raises NeedsReview for an event that went round and round."""
        hops = max(record.envelope.hop for record in records)
        if hops > self._options.max_hops:
            raise NeedsReview(
                f"the event has come through {hops} hops, which only a loop does",
                kind=LOOP,
                advice=_LOOP_ADVICE,
                details={"hops": hops},
            )

    def _judge(self, error: IntegrationError, work: Work, *, is_own: bool = False) -> PolicyDecision:
        return judge(
            error,
            attempts=work.lane.attempts + 1,
            lane_attempts=self._options.lane_attempts,
            longest_rest=self._options.backoff_cap_seconds,
            is_own=is_own,
        )

    def _first_wait(self, judgement: PolicyDecision) -> float:
        return max(self._schedule.wait(1, self._random) or 0.0, judgement.after)

    def _again(
        self, work: Work, route: Route, error: IntegrationError, judgement: PolicyDecision, started_at: datetime
    ) -> Rest:
        lane = work.lane
        lane.tries += 1
        if judgement.counts:
            lane.attempts += 1
        self._reporter.failed(route.entity, judgement.label)
        if lane.tries == 1 and work.records:
            # Once, not at each try: an outage of an hour shall not fill the journal.
            self._reporter.tried(route, work.records[-1], error.reason, started_at)
        return self._rest(lane, judgement)

    def _rest(self, lane: Lane, judgement: PolicyDecision) -> Rest:
        base, cap = self._options.backoff_base_seconds, self._options.backoff_cap_seconds
        longest = _LONGEST_AFTER_SECONDS
        if judgement.outage:
            cap = min(cap, self._options.outage_rest_seconds)
            # What rests holds memory and its partition: a longer wait is the breaker's, and the database's.
            longest = self._options.outage_park_seconds
            if lane.down_since is not None:
                longest -= self._clock.monotonic() - lane.down_since
        return Rest(max(backoff(lane.tries, base, cap, self._random), min(judgement.after, longest)))

    async def _bury(self, record: Record, route: Route, error: IntegrationError, started_at: datetime) -> None:
        cause = Cause(
            reason=error.reason,
            error_class=type(error).__name__,
            attempts=record.attempts,
            first_failed=started_at,
            last_failed=self._clock.now(),
            retriable=isinstance(error, RetryLater),
        )
        await self._send(record, route, cause)

    async def _send(self, record: Record | Unreadable, route: Route, cause: Cause) -> None:
        try:
            await self._dead_letters.send(record, cause)
        except TooManyDeadLetters as error:
            self._reporter.too_many_dead_letters(route, error.reason)
            await self._reporter.flush()
            raise
        self._reporter.buried(route, record, cause)

    async def _bury_unreadable(self, work: Work, route: Route) -> None:
        record = work.unreadable
        if record is None:
            return
        now = self._clock.now()
        await self._send(record, route, Cause(record.reason, "Unreadable", 1, now, now))
        self._reporter.failed(route.entity, "unreadable")
        self._reporter.unreadable(route, record)
