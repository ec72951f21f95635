from __future__ import annotations

import asyncio
from bisect import bisect_right

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.resilience.budget import RequestBudget
from shared.resilience.cost_budget import CostBudget
from shared.resilience.priority import PRIORITIES, Priority
from shared.resilience.queue import Queue
from tests.support.virtual import LoopClock, run_virtual

_HAIR = 0.01  # a timer wakes a millisecond late at the most; sums of fractions miss by less

arrivals = st.lists(st.floats(0, 5), min_size=1, max_size=40).map(sorted)


def grants(times: list[float], rate: float, burst: int) -> list[float]:
    """When each of the calls that come at `times` got its turn."""

    async def work(clock: LoopClock) -> list[float]:
        budget = RequestBudget(rate, burst, 0, clock)
        granted: list[float] = []

        async def call(at: float) -> None:
            await asyncio.sleep(at)
            async with budget.slot():
                granted.append(clock.monotonic())

        await asyncio.gather(*(call(at) for at in times))
        return granted

    return run_virtual(work)


def ideal(times: list[float], rate: float, burst: int) -> list[float]:
    """The earliest turns that a bucket allows, by the book."""
    tokens, at, turns = float(burst), 0.0, []
    for time in times:
        now = max(time, at)
        tokens = min(float(burst), tokens + (now - at) * rate)
        wait = max(0.0, (1 - tokens) / rate)
        tokens = tokens + wait * rate - 1
        at = now + wait
        turns.append(at)
    return turns


@settings(max_examples=60, deadline=None)
@given(times=arrivals, rate=st.floats(0.5, 50), burst=st.integers(1, 8))
def test_the_rate_is_never_exceeded(times: list[float], rate: float, burst: int) -> None:
    granted = grants(times, rate, burst)

    for start, moment in enumerate(granted):
        for seconds in (0.1, 1.0, 3.0):
            count = bisect_right(granted, moment + seconds) - start
            assert count <= burst + seconds * rate + 1e-6


@settings(max_examples=60, deadline=None)
@given(times=arrivals, rate=st.floats(0.5, 50), burst=st.integers(1, 8))
def test_nobody_waits_longer_than_the_rate_demands(times: list[float], rate: float, burst: int) -> None:
    granted = grants(times, rate, burst)

    for actual, earliest in zip(granted, ideal(times, rate, burst), strict=True):
        assert actual <= earliest + _HAIR * len(times)


@settings(max_examples=40, deadline=None)
@given(cancelled=st.sets(st.integers(0, 19)), rate=st.floats(1, 50), most=st.integers(1, 5))
def test_who_gives_up_takes_nothing_from_the_others(cancelled: set[int], rate: float, most: int) -> None:
    async def work(clock: LoopClock) -> tuple[int, int, float]:
        budget = RequestBudget(rate, 1, most, clock)
        running = peak = 0

        async def call() -> None:
            nonlocal running, peak
            async with budget.slot():
                running += 1
                peak = max(peak, running)
                await asyncio.sleep(0.01)
                running -= 1

        tasks = [asyncio.create_task(call()) for _ in range(20)]
        await asyncio.sleep(0)
        for number in cancelled - {0}:
            tasks[number].cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        return sum(end is None for end in ends), peak, clock.monotonic()

    done, peak, seconds = run_virtual(work)

    assert done == 20 - len(cancelled - {0})
    assert peak <= most
    assert seconds <= max((done - 1) / rate, done * 0.02) + 0.5


def test_a_turn_granted_to_a_cancelled_call_is_given_back() -> None:
    async def work(clock: LoopClock) -> float:
        budget = RequestBudget(1, 1, 1, clock)
        async with budget.slot():
            waiting = asyncio.create_task(budget.slot().__aenter__())
            await asyncio.sleep(2)
        waiting.cancel()  # its turn was just granted, and it has not run since
        await asyncio.gather(waiting, return_exceptions=True)
        async with budget.slot():
            return clock.monotonic()

    # By the second second the bucket was full again.
    assert run_virtual(work) == pytest.approx(2.0, abs=_HAIR)


def test_zero_lifts_the_limits() -> None:
    assert grants([0.0] * 500, 0, 1) == [0.0] * 500


async def turns(waiting: dict[Priority, int]) -> list[Priority]:
    loop = asyncio.get_running_loop()
    queue, order = Queue(), []
    for name, count in waiting.items():
        for _ in range(count):
            queue.add(name, loop.create_future())
    while (waiter := queue.head()) is not None:
        order.append(waiter.priority)
        queue.serve(waiter)
    return order


async def test_live_goes_before_repair_before_backfill() -> None:
    assert await turns({"backfill": 2, "repair": 2, "live": 2}) == ["live"] * 2 + ["repair"] * 2 + ["backfill"] * 2


@pytest.mark.parametrize("present", [PRIORITIES, ("live", "backfill"), ("repair", "backfill")])
async def test_whoever_waits_gets_one_of_any_ten_grants(present: tuple[Priority, ...]) -> None:
    order = (await turns(dict.fromkeys(present, 1000)))[:300]

    for start in range(len(order) - 10):
        assert set(order[start : start + 10]) == set(present)


async def test_live_keeps_eight_of_ten() -> None:
    order = (await turns(dict.fromkeys(PRIORITIES, 1000)))[:300]

    assert order.count("live") >= 0.78 * 300


def status(available: float, rate: float = 50.0) -> dict[str, float]:
    return {"maximumAvailable": 1000.0, "currentlyAvailable": available, "restoreRate": rate}


def test_cost_waits_until_the_points_are_restored() -> None:
    async def work(clock: LoopClock) -> float:
        budget = CostBudget(clock)
        await budget.reserve(1000)
        await budget.reserve(100)
        return clock.monotonic()

    assert run_virtual(work) == pytest.approx(2.0, abs=_HAIR)


def test_what_a_query_did_not_use_comes_back() -> None:
    async def work(clock: LoopClock) -> float:
        budget = CostBudget(clock)
        await budget.reserve(1000)
        budget.learn(status(900), reserved=1000, actual=100)
        await budget.reserve(900)
        return clock.monotonic()

    assert run_virtual(work) == pytest.approx(0.0, abs=_HAIR)


def test_a_lower_figure_of_the_shop_is_believed() -> None:
    async def work(clock: LoopClock) -> float:
        budget = CostBudget(clock)
        await budget.reserve(10)
        budget.learn(status(0), reserved=10, actual=10)  # someone else emptied it
        await budget.reserve(50)
        return clock.monotonic()

    assert run_virtual(work) == pytest.approx(1.0, abs=_HAIR)


def test_a_query_dearer_than_the_bucket_takes_all_of_it() -> None:
    async def work(clock: LoopClock) -> float:
        budget = CostBudget(clock)
        await budget.reserve(5000)
        return budget.available

    assert run_virtual(work) == 0.0


def test_a_dear_query_that_gives_up_lets_a_cheap_one_pass() -> None:
    async def work(clock: LoopClock) -> float:
        budget = CostBudget(clock)
        await budget.reserve(990)
        dear = asyncio.create_task(budget.reserve(1000))
        cheap = asyncio.create_task(budget.reserve(10))
        await asyncio.sleep(0)
        dear.cancel()
        await cheap
        return clock.monotonic()

    assert run_virtual(work) == pytest.approx(0.0, abs=_HAIR)
