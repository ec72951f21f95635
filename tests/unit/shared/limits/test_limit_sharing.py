"""Budgets of several processes on one account, in virtual time, with a table in memory."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Awaitable, Callable, Iterable, Mapping

import pytest

from shared.canonical.priority import PRIORITIES, Priority
from shared.errors import TargetDown
from shared.limits.demand import Demand
from shared.limits.limit_sharing import LimitSharing
from shared.limits.query_cost import QueryCostLimit
from shared.limits.rate_limit import RateLimit
from shared.state.limit_demands import GONE_SECONDS, LimitKey
from tests.support.virtual_time import LoopClock, run_virtual

LIMIT: LimitKey = ("acme", "shopify")


class Table:
    """What the database holds."""

    def __init__(self, clock: LoopClock) -> None:
        self.clock = clock
        self.rows: dict[tuple[LimitKey, str], tuple[float, Demand]] = {}
        self.is_away = False
        self.statements = 0

    def of(self, instance: str) -> Shares:
        return Shares(self, instance)


class Shares:
    """LimitDemands in memory."""

    def __init__(self, table: Table, instance: str) -> None:
        self._table, self._instance = table, instance

    async def exchange(self, demands: Mapping[LimitKey, Demand]) -> dict[LimitKey, dict[str, Demand]]:
        table = self._table
        await asyncio.sleep(0.003)
        if table.is_away:
            raise TargetDown("the database is away")
        table.statements += 1
        now = table.clock.monotonic()
        for limit, demand in demands.items():
            table.rows[limit, self._instance] = (now, demand)
        return {
            limit: {
                name: demand
                for (place, name), (at, demand) in table.rows.items()
                if place == limit and name != self._instance and at > now - GONE_SECONDS
            }
            for limit in demands
        }

    async def withdraw(self, limits: Iterable[LimitKey]) -> None:
        for limit in limits:
            self._table.rows.pop((limit, self._instance), None)


class Bucket:
    """Shopify's bucket by the book: a query needs its worst case, and is given back what it did not use."""

    def __init__(self, clock: LoopClock, rate: float) -> None:
        self.clock, self.rate, self.maximum = clock, rate, rate * 20
        self.level, self.at = self.maximum, clock.monotonic()
        self.calls = self.throttled = 0
        self.spent = 0.0

    def refill(self) -> None:
        now = self.clock.monotonic()
        self.level, self.at = min(self.maximum, self.level + (now - self.at) * self.rate), now

    def status(self) -> dict[str, float]:
        return {"maximumAvailable": self.maximum, "currentlyAvailable": int(self.level), "restoreRate": self.rate}

    async def ask(self, requested: float, actual: float, latency: float) -> tuple[dict[str, float], float | None]:
        await asyncio.sleep(latency / 2)
        self.refill()
        self.calls += 1
        used: float | None = None
        if requested <= self.level:
            self.level = min(self.maximum, self.level - actual)
            self.spent += actual
            used = actual
        else:
            self.throttled += 1
        status = self.status()
        await asyncio.sleep(latency / 2)
        return status, used


Mix = list[tuple[float, float]]


async def work(
    bucket: Bucket, budget: QueryCostLimit, mix: Mix, latency: float, priority: Priority, end: float
) -> None:
    """Calls one after the other, as one of many tasks does."""
    number = 0
    while bucket.clock.monotonic() < end:
        requested, actual = mix[number % len(mix)]
        number += 1
        used = None
        while used is None:
            await budget.reserve(requested, priority)
            status, used = await bucket.ask(requested, actual, latency)
            budget.update(status, requested, used)


async def with_processes(
    clock: LoopClock, count: int, run: Callable[[list[LimitSharing], Table], Awaitable[None]]
) -> None:
    table = Table(clock)
    sharings = [LimitSharing(table.of(str(number)), clock) for number in range(count)]
    for sharing in sharings:
        sharing.start()
    try:
        await run(sharings, table)
    finally:
        for sharing in sharings:
            await sharing.stop()


def drained(
    replicas: int, mix: Mix, latency: float, rate: float, seconds: float, tasks: int = 6
) -> tuple[float, float]:
    """The part of all points, in the full bucket and restored, that was used, and the part of calls throttled."""

    async def measure(clock: LoopClock) -> tuple[float, float]:
        bucket = Bucket(clock, rate)
        end = clock.monotonic() + seconds

        async def run(sharings: list[LimitSharing], table: Table) -> None:
            budgets = [QueryCostLimit(clock, restore_rate=100) for _ in sharings]
            for sharing, budget in zip(sharings, budgets, strict=True):
                sharing.join(LIMIT, budget)
            await asyncio.gather(
                *(
                    work(bucket, budget, mix, latency, PRIORITIES[number % 3], end)
                    for budget in budgets
                    for number in range(tasks)
                )
            )

        await with_processes(clock, replicas, run)
        return bucket.spent / (rate * seconds + bucket.maximum), bucket.throttled / bucket.calls

    return run_virtual(measure)


CHEAP: Mix = [(10, 10)]
READS: Mix = [(60, 25), (12, 12), (150, 90)]
MUTATIONS: Mix = [(10, 10), (10, 10), (30, 14)]


@pytest.mark.parametrize(
    ("replicas", "mix", "latency", "rate"),
    [
        pytest.param(1, READS, 0.2, 100.0, id="one process reads"),
        pytest.param(1, CHEAP, 0.8, 200.0, id="one process, slow answers"),
        pytest.param(2, MUTATIONS, 0.02, 100.0, id="two processes write, quick answers"),
        pytest.param(3, READS, 0.8, 200.0, id="three processes read, slow answers"),
        pytest.param(4, MUTATIONS, 0.2, 200.0, id="four processes write"),
        pytest.param(4, READS, 0.2, 1000.0, id="four processes read, a large shop"),
    ],
)
def test_the_bucket_is_used_and_hardly_ever_overdrawn(replicas: int, mix: Mix, latency: float, rate: float) -> None:
    # As many tasks as it takes to ask for twice of what there is.
    dearest = sum(actual for _, actual in mix) / len(mix)
    tasks = min(60, max(6, int(2 * rate * (latency + 0.05) / dearest / replicas) + 1))

    used, throttled = drained(replicas, mix, latency, rate, seconds=120, tasks=tasks)

    assert used >= 0.85
    assert throttled <= 0.01


def turns(
    replicas: int, seconds: float, per_second: float, wanted: Callable[[int], Priority], idle: set[int] | None = None
) -> tuple[list[float], list[int]]:
    """When calls went out over all processes, and how many of each process."""

    async def measure(clock: LoopClock) -> tuple[list[float], list[int]]:
        went: list[float] = []
        counts = [0] * replicas
        start = clock.monotonic()

        async def run(sharings: list[LimitSharing], table: Table) -> None:
            async def call(number: int, budget: RateLimit) -> None:
                while clock.monotonic() < start + seconds:
                    async with budget.permit(wanted(number)):
                        went.append(clock.monotonic())
                        counts[number] += 1
                        await asyncio.sleep(0.05)

            budgets = [RateLimit(per_second, round(per_second), 0, clock) for _ in sharings]
            for sharing, budget in zip(sharings, budgets, strict=True):
                sharing.join(LIMIT, budget)
            callers = [call(n, b) for n, b in enumerate(budgets) if n not in (idle or set()) for _ in range(20)]
            await asyncio.gather(*callers)

        await with_processes(clock, replicas, run)
        return sorted(went), counts

    return run_virtual(measure)


@pytest.mark.parametrize("replicas", [1, 2, 4, 7])
def test_all_processes_together_stay_within_the_rate_and_use_it(replicas: int) -> None:
    went, counts = turns(replicas, 60, 20, lambda number: "live")

    for start, moment in enumerate(went):
        for seconds in (5.0, 20.0):
            # A burst of one second's worth, and one call more for each process that begins.
            assert bisect_right(went, moment + seconds) - start <= seconds * 20 + 20 + replicas
    assert len(went) >= 0.85 * 20 * 60
    assert min(counts) >= 0.5 * len(went) / replicas


def test_live_calls_of_one_process_go_before_the_backfill_of_another() -> None:
    _, (live, backfill) = turns(2, 60, 20, lambda number: "live" if number == 0 else "backfill")

    assert live >= 0.8 * 0.95 * 20 * 60
    assert backfill >= 0.05 * 20 * 60


def test_who_is_alone_has_the_whole_limit() -> None:
    went, _ = turns(3, 60, 20, lambda number: "live", idle={1, 2})

    assert len(went) >= 0.97 * 20 * 60


def test_what_a_process_that_died_had_goes_to_the_others() -> None:
    async def measure(clock: LoopClock) -> float:
        table = Table(clock)
        sharing = LimitSharing(table.of("alive"), clock)
        budget = RateLimit(20, 20, 0, clock)
        sharing.join(LIMIT, budget)
        await table.of("dead").exchange({LIMIT: {"live": 5.0}})
        sharing.start()
        calls = [asyncio.create_task(budget.acquire()) for _ in range(400)]
        await asyncio.sleep(GONE_SECONDS + 2)
        before = sum(call.done() for call in calls)
        await asyncio.sleep(5)
        rate = (sum(call.done() for call in calls) - before) / 5
        await sharing.stop()
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        return rate

    assert run_virtual(measure) == pytest.approx(20, rel=0.05)


def test_without_a_database_everybody_keeps_what_they_had() -> None:
    async def measure(clock: LoopClock) -> int:
        table = Table(clock)
        sharing = LimitSharing(table.of("a"), clock)
        budget = RateLimit(20, 20, 0, clock)
        sharing.join(LIMIT, budget)
        sharing.start()
        calls = [asyncio.create_task(budget.acquire()) for _ in range(2000)]
        await asyncio.sleep(3)
        table.is_away = True
        before = sum(call.done() for call in calls)
        await asyncio.sleep(30)
        after = sum(call.done() for call in calls)
        await sharing.stop()
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        return after - before

    assert run_virtual(measure) == pytest.approx(600, rel=0.05)


@pytest.mark.parametrize("busy_before", [False, True])
def test_who_could_not_tell_at_first_tells_when_the_database_is_back(busy_before: bool) -> None:
    async def measure(clock: LoopClock) -> tuple[float, int]:
        table = Table(clock)
        sharing = LimitSharing(table.of("a"), clock)
        budget = RateLimit(20, 20, 0, clock)
        sharing.join(LIMIT, budget)
        sharing.start()
        if busy_before:
            async with budget.permit():
                await asyncio.sleep(60)
        table.is_away = True
        calls = [asyncio.create_task(budget.acquire()) for _ in range(400)]
        await asyncio.sleep(1)
        table.is_away = False
        await asyncio.sleep(5)
        before = sum(call.done() for call in calls)
        await asyncio.sleep(5)
        rate = (sum(call.done() for call in calls) - before) / 5
        await asyncio.gather(*calls)
        await asyncio.sleep(60)
        table.statements = 0
        await asyncio.sleep(600)
        await sharing.stop()
        return rate, table.statements

    rate, while_quiet = run_virtual(measure)

    assert rate == pytest.approx(20, rel=0.05)
    assert while_quiet == 0


@pytest.mark.parametrize("newcomers", [0, 1])
def test_when_the_database_is_back_nobody_takes_itself_for_alone(newcomers: int) -> None:
    async def measure(clock: LoopClock) -> list[float]:
        went: list[float] = []
        back = 0.0

        async def run(sharings: list[LimitSharing], table: Table) -> None:
            nonlocal back

            async def call(budget: RateLimit) -> None:
                while True:
                    async with budget.permit():
                        went.append(clock.monotonic())
                        await asyncio.sleep(0.05)

            budgets = [RateLimit(20, 20, 0, clock) for _ in sharings]
            for sharing, budget in zip(sharings, budgets, strict=True):
                sharing.join(LIMIT, budget)
            calls = [asyncio.create_task(call(budget)) for budget in budgets[newcomers:] for _ in range(20)]
            await asyncio.sleep(30)
            table.is_away = True
            await asyncio.sleep(7)
            calls += [asyncio.create_task(call(budget)) for budget in budgets[:newcomers] for _ in range(20)]
            await asyncio.sleep(GONE_SECONDS)
            table.is_away, back = False, clock.monotonic()
            await asyncio.sleep(10)
            for task in calls:
                task.cancel()
            await asyncio.gather(*calls, return_exceptions=True)

        await with_processes(clock, 3, run)
        return [moment - back for moment in went if moment >= back]

    after = run_virtual(measure)

    assert max(sum(second <= moment < second + 1 for moment in after) for second in range(10)) <= 20 * 1.15
    assert len(after) >= 0.85 * 20 * 10


def test_who_wants_nothing_asks_nothing() -> None:
    async def measure(clock: LoopClock) -> tuple[int, int]:
        table = Table(clock)
        sharing = LimitSharing(table.of("a"), clock)
        budget = RateLimit(20, 20, 0, clock)
        sharing.join(LIMIT, budget)
        sharing.start()
        async with budget.permit():
            await asyncio.sleep(30)
        after_one_call = table.statements
        await asyncio.sleep(600)
        await sharing.stop()
        return after_one_call, table.statements

    after_one_call, later = run_virtual(measure)

    assert 1 <= after_one_call <= 20
    assert later == after_one_call
