"""What is done with one piece of work, and with the error it may end in. After it the record is durably dealt with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from shared.errors import IntegrationError, NeedsReview, RetryLater
from shared.messaging.dead_letter import Cause, DeadLetters
from shared.messaging.lane import Kind, Work
from shared.messaging.parking import Parking
from shared.messaging.policy import Judgement, Verdict, judge
from shared.messaging.record import ConsumerOptions, Record, Result, Route
from shared.messaging.replay import Replay, open_review
from shared.messaging.reporter import Reporter
from shared.resilience.retry import Schedule, backoff
from shared.runtime.clock import Clock
from shared.state.reviews import Reviews

# A Retry-After that a vendor made up should not stop a key for a day.
_LONGEST_AFTER_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class Rest:
    """The work is not done: its lane takes it up again after `seconds`."""

    seconds: float


class Treatment:
    """The consumer's error policy, carried out."""

    def __init__(
        self,
        routes: Mapping[str, Route],
        parking: Parking,
        replay: Replay,
        reviews: Reviews,
        dead_letters: DeadLetters,
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
        self._reporter = reporter
        self._options = options
        self._schedule = Schedule(options.park_schedule)
        self._clock = clock
        self._random = random

    async def treat(self, work: Work) -> Rest | None:
        """None: everything about the work is durable, its offsets may pass. Rest: not yet, try again later.

        Any other error than those of the policy is raised: it stops the service.
        """
        route = self._routes[work.key[0]]
        started_at = self._clock.now()
        try:
            return await self._do(work, route, started_at)
        except IntegrationError as error:
            # Errors of a handler are dealt with in `_run`. What comes here is TargetDown: of our own database, of the
            # broker, or of the target of a parked key; or something that must stop the service.
            judgement = self._judge(error, work)
            if judgement.verdict is not Verdict.AGAIN:
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
        try:
            result = await route.handle(records)
        except IntegrationError as error:
            return await self._failed(work, route, error, started_at)
        self._dead_letters.interrupt()
        self._reporter.ended(route, records, result, started_at)
        return None

    async def _failed(self, work: Work, route: Route, error: IntegrationError, started_at: datetime) -> Rest | None:
        judgement = self._judge(error, work)
        if judgement.verdict is Verdict.STOP:
            raise error
        if judgement.verdict is Verdict.AGAIN:
            return self._again(work, route, error, judgement, started_at)
        if judgement.verdict is Verdict.PARK:
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

    def _judge(self, error: IntegrationError, work: Work) -> Judgement:
        return judge(
            error,
            attempts=work.lane.attempts + 1,
            lane_attempts=self._options.lane_attempts,
            longest_rest=self._options.backoff_cap_seconds,
        )

    def _first_wait(self, judgement: Judgement) -> float:
        return max(self._schedule.wait(1, self._random) or 0.0, judgement.after)

    def _again(
        self, work: Work, route: Route, error: IntegrationError, judgement: Judgement, started_at: datetime
    ) -> Rest:
        lane = work.lane
        lane.tries += 1
        if judgement.counts:
            lane.attempts += 1
        self._reporter.failed(route.entity, judgement.label)
        if lane.tries == 1 and work.records:
            # Once, not at each try: an outage of an hour shall not fill the journal.
            self._reporter.tried(route, work.records[-1], error.reason, started_at)
        base, cap = self._options.backoff_base_seconds, self._options.backoff_cap_seconds
        own = backoff(lane.tries, base, cap, self._random)
        return Rest(max(own, min(judgement.after, _LONGEST_AFTER_SECONDS)))

    async def _bury(self, record: Record, route: Route, error: IntegrationError, started_at: datetime) -> None:
        cause = Cause(
            reason=error.reason,
            error_class=type(error).__name__,
            attempts=record.attempts,
            first_failed=started_at,
            last_failed=self._clock.now(),
            retriable=isinstance(error, RetryLater),
        )
        await self._dead_letters.send(record, cause)
        self._reporter.buried(route.entity)

    async def _bury_unreadable(self, work: Work, route: Route) -> None:
        record = work.unreadable
        if record is None:
            return
        now = self._clock.now()
        await self._dead_letters.send(record, Cause(record.reason, "Unreadable", 1, now, now))
        self._reporter.failed(route.entity, "unreadable")
        self._reporter.buried(route.entity)
        self._reporter.unreadable(route, record)
