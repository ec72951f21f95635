"""Any calls of any cost and priority, some given up, replies in any order: what always holds of a budget of points."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.canonical.priority import PRIORITIES, Priority
from shared.limits.demand import LimitShare
from shared.limits.priority_queue import MAX_PASSES, PriorityQueue
from shared.limits.query_cost import QueryCostLimit
from tests.support.virtual_time import LoopClock, run_virtual

COSTS = st.integers(1, 200).map(float)
CALLS = st.lists(
    st.tuples(st.floats(0, 20), COSTS, st.sampled_from(PRIORITIES), st.booleans()), min_size=1, max_size=30
)
PARTS = st.lists(st.tuples(st.floats(0, 20), st.floats(0.05, 1)), max_size=4)
RATE, MOST = 100.0, 1000.0


@settings(max_examples=60, deadline=None)
@given(calls=CALLS, parts=PARTS)
def test_points_are_never_spent_before_they_are_there_and_nobody_waits_for_ever(
    calls: list[tuple[float, float, Priority, bool]], parts: list[tuple[float, float]]
) -> None:
    async def work(clock: LoopClock) -> tuple[list[tuple[float, float]], int]:
        budget = QueryCostLimit(clock, MOST, RATE)
        spent: list[tuple[float, float]] = []

        async def call(at: float, cost: float, priority: Priority) -> None:
            await asyncio.sleep(at)
            await budget.reserve(cost, priority)
            spent.append((clock.monotonic(), cost))

        async def change(at: float, size: float) -> None:
            await asyncio.sleep(at)
            budget.take_share(LimitShare(size))

        tasks = [asyncio.create_task(call(at, cost, priority)) for at, cost, priority, _ in calls]
        changes = [asyncio.create_task(change(at, size)) for at, size in parts]
        await asyncio.sleep(10)
        given_up = [task for task, (*_, gives_up) in zip(tasks, calls, strict=True) if gives_up and not task.done()]
        for task in given_up:
            task.cancel()
        async with asyncio.timeout(20 + 30 * 200 / (RATE * 0.05) + 60):
            await asyncio.gather(*tasks, *changes, return_exceptions=True)
        return spent, len(given_up)

    spent, given_up = run_virtual(work)

    assert len(spent) >= len(calls) - given_up
    for start, (begin, _) in enumerate(spent):
        total = 0.0
        for moment, cost in spent[start:]:
            total += cost
            assert total <= MOST + (moment - begin) * RATE + 1e-6


@settings(max_examples=60, deadline=None)
@given(calls=CALLS)
def test_a_call_that_fits_and_meets_nobody_goes_at_once(calls: list[tuple[float, float, Priority, bool]]) -> None:
    async def work(clock: LoopClock) -> None:
        budget = QueryCostLimit(clock, MOST, RATE)
        for gap, cost, priority, _ in calls:
            await asyncio.sleep(gap)
            fits = budget.available >= min(cost + MOST * 0.2, MOST)
            before = clock.monotonic()
            await budget.reserve(cost, priority)
            if fits:
                assert clock.monotonic() == before

    run_virtual(work)


@given(st.lists(st.tuples(st.sampled_from(PRIORITIES), COSTS), min_size=1, max_size=60), st.data())
def test_whoever_waits_is_passed_over_for_a_bounded_cost_only(
    calls: list[tuple[Priority, float]], data: st.DataObject
) -> None:
    """Others get at most so many times a head's own cost, and one more turn each, before it goes."""

    async def work(clock: LoopClock) -> None:
        queue, loop = PriorityQueue(), asyncio.get_running_loop()
        passed: dict[Priority, float] = dict.fromkeys(PRIORITIES, 0.0)
        heads: dict[Priority, list[float]] = {name: [] for name in PRIORITIES}
        left = list(calls)
        dearest = max(cost for _, cost in calls)
        while left or not queue.is_empty:
            if left and (queue.is_empty or data.draw(st.booleans())):
                priority, cost = left.pop()
                queue.add(priority, loop.create_future(), cost)
                heads[priority].append(cost)
                continue
            waiter = queue.head()
            assert waiter is not None
            for name in PRIORITIES:
                if name != waiter.priority and heads[name]:
                    passed[name] += waiter.cost
                    assert passed[name] <= MAX_PASSES * heads[name][0] + 2 * dearest * (MAX_PASSES + 1)
            passed[waiter.priority] = 0.0
            assert heads[waiter.priority].pop(0) == waiter.cost, "within a priority, first come is first served"
            queue.serve(waiter)

    run_virtual(work)


def test_a_live_call_does_not_wait_for_the_points_of_a_dear_backfill() -> None:
    async def work(clock: LoopClock) -> float:
        budget = QueryCostLimit(clock, MOST, RATE)
        await budget.reserve(MOST)
        backfill = asyncio.create_task(budget.reserve(900, "backfill"))
        await asyncio.sleep(0.5)
        await budget.reserve(50)
        seconds = clock.monotonic()
        await backfill
        return seconds

    assert run_virtual(work) < 0.6


def test_a_backfill_leaves_points_for_live_calls_to_come() -> None:
    async def work(clock: LoopClock) -> float:
        budget = QueryCostLimit(clock, MOST, RATE)
        tasks = [asyncio.create_task(budget.reserve(100, "backfill")) for _ in range(30)]
        await asyncio.sleep(10)
        before = clock.monotonic()
        await budget.reserve(150)
        waited = clock.monotonic() - before
        await asyncio.gather(*tasks)
        return waited

    assert run_virtual(work) == 0.0
