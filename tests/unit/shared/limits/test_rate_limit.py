from __future__ import annotations

import asyncio
from bisect import bisect_right

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.canonical.priority import PRIORITIES, Priority
from shared.limits.demand import LimitShare
from shared.limits.priority_queue import PriorityQueue
from shared.limits.rate_limit import RateLimit
from tests.support.virtual_time import LoopClock, run_virtual
from tests.unit.shared.limits.heard import Heard

_HAIR = 0.01  # a timer wakes a millisecond late at the most; sums of fractions miss by less

arrivals = st.lists(st.floats(0, 5), min_size=1, max_size=40).map(sorted)


def grants(times: list[float], rate: float, burst: int) -> list[float]:
    """When each of the calls that come at `times` got its turn."""

    async def work(clock: LoopClock) -> list[float]:
        budget = RateLimit(rate, burst, 0, clock)
        granted: list[float] = []

        async def call(at: float) -> None:
            await asyncio.sleep(at)
            async with budget.permit():
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
        budget = RateLimit(rate, 1, most, clock)
        running = peak = 0

        async def call() -> None:
            nonlocal running, peak
            async with budget.permit():
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
        budget = RateLimit(1, 1, 1, clock)
        async with budget.permit():
            waiting = asyncio.create_task(budget.permit().__aenter__())
            await asyncio.sleep(2)
        waiting.cancel()  # its turn was just granted, and it has not run since
        await asyncio.gather(waiting, return_exceptions=True)
        async with budget.permit():
            return clock.monotonic()

    # By the second second the bucket was full again.
    assert run_virtual(work) == pytest.approx(2.0, abs=_HAIR)


def test_zero_lifts_the_limits() -> None:
    assert grants([0.0] * 500, 0, 1) == [0.0] * 500


async def turns(waiting: dict[Priority, int]) -> list[Priority]:
    loop = asyncio.get_running_loop()
    queue, order = PriorityQueue(), []
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


@pytest.mark.parametrize(
    ("rate", "burst", "times", "turns"),
    [
        pytest.param(2, 1, [0, 0, 0], [0, 0.5, 1], id="one after the other"),
        pytest.param(2, 2, [0, 0, 0, 0], [0, 0, 0.5, 1], id="a burst first"),
        pytest.param(2, 0, [0, 0], [0, 0.5], id="there is always room for one"),
        pytest.param(2, 1, [0, 0.1, 0.2], [0, 0.5, 1], id="who comes early waits for the rest"),
        pytest.param(2, 3, [0, 0, 0, 9, 9, 9, 9], [0, 0, 0, 9, 9, 9, 9.5], id="no more than a burst is saved up"),
    ],
)
def test_turns_by_the_second(rate: float, burst: int, times: list[float], turns: list[float]) -> None:
    assert grants(times, rate, burst) == pytest.approx(turns)


class Held:
    """Calls that hold their place until they are told to leave."""

    def __init__(self, budget: RateLimit) -> None:
        self.budget = budget
        self.inside = 0

    async def come(self, count: int, priority: Priority = "live") -> list[asyncio.Task[None]]:
        tasks = [asyncio.create_task(self._enter(priority)) for _ in range(count)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return tasks

    async def _enter(self, priority: Priority) -> None:
        await self.budget.acquire(priority)
        self.inside += 1

    async def release(self, count: int = 1) -> None:
        for _ in range(count):
            self.budget.release()
            self.inside -= 1
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def give_up(self, tasks: list[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def test_a_place_that_is_left_is_taken_at_once_by_who_waits() -> None:
    async def work(clock: LoopClock) -> None:
        held = Held(RateLimit(0, 1, 2, clock))
        waiting = (await held.come(4))[2:]
        assert held.inside == 2
        await held.release()
        assert held.inside == 2
        await held.release(2)
        assert (held.inside, clock.monotonic()) == (1, 0)
        await held.come(1)
        assert held.inside == 2
        await held.give_up(waiting)

    run_virtual(work)


@pytest.mark.parametrize(
    ("most", "size", "places"),
    [(10, 0.5, 5), (10, 0.59, 5), (100, 0.29, 29), (10, 0.01, 1), (1, 0.5, 1), (3, 1.0, 3), (0, 0.1, 40)],
)
def test_a_part_of_the_places_is_rounded_down_but_never_to_nothing(most: int, size: float, places: int) -> None:
    async def work(clock: LoopClock) -> int:
        held = Held(RateLimit(0, 1, most, clock))
        held.budget.take_share(LimitShare(size))
        tasks = await held.come(40)
        inside = held.inside
        await held.give_up(tasks)
        return inside

    assert run_virtual(work) == places


@pytest.mark.parametrize(
    ("before", "share", "at_once"),
    [
        pytest.param(1.0, LimitShare(0.5), 4, id="half a burst"),
        pytest.param(1.0, LimitShare(0.05), 1, id="never less than one"),
        pytest.param(0.5, LimitShare(1.0), 4, id="a larger part must fill up first"),
        pytest.param(0.5, LimitShare(1.0, alone=True), 8, id="unless nobody used the rest"),
        pytest.param(1.0, LimitShare(1.0, alone=True), 8, id="which is no more than there was"),
        pytest.param(1.0, LimitShare(0.5, alone=True), 4, id="a smaller part is not fuller for being alone"),
    ],
)
def test_a_part_of_the_burst(before: float, share: LimitShare, at_once: int) -> None:
    async def work(clock: LoopClock) -> int:
        held = Held(RateLimit(4, 8, 0, clock))
        held.budget.take_share(LimitShare(before))
        held.budget.take_share(share)
        tasks = await held.come(20)
        inside = held.inside
        await held.give_up(tasks)
        return inside

    assert run_virtual(work) == at_once


def test_a_part_of_the_rate_counts_from_when_it_is_taken() -> None:
    async def work(clock: LoopClock) -> list[float]:
        budget, turns = RateLimit(4, 1, 0, clock), []

        async def calls() -> None:
            for _ in range(5):
                await budget.acquire()
                turns.append(clock.monotonic())

        task = asyncio.create_task(calls())
        await asyncio.sleep(0.5)
        budget.take_share(LimitShare(0.25))
        await asyncio.sleep(1.5)
        budget.take_share(LimitShare(1.0))
        await task
        return turns

    # Four a second; from 0.5 on one a second; from 2.0 on, when half a turn was saved, four again.
    assert run_virtual(work) == pytest.approx([0, 0.25, 0.5, 1.5, 2.125], abs=0.002)


def test_who_waits_goes_at_once_where_a_larger_part_has_room() -> None:
    async def work(clock: LoopClock) -> int:
        held = Held(RateLimit(1, 4, 4, clock))
        held.budget.take_share(LimitShare(0.25))
        tasks = await held.come(4)
        assert held.inside == 1
        held.budget.take_share(LimitShare(1.0, alone=True))
        await asyncio.gather(*tasks)
        return held.inside

    assert run_virtual(work) == 4


@pytest.mark.parametrize(("limit", "wanted"), [(2.0, 2.0), (0.0, 4.0)])
def test_demand_is_what_was_asked_for_by_the_second_as_a_part_of_the_limit(limit: float, wanted: float) -> None:
    async def work(clock: LoopClock) -> list[float]:
        held = Held(RateLimit(limit, 8, 0, clock))
        await held.come(8)
        await asyncio.sleep(2)
        seen = [held.budget.demand()["live"]]
        await asyncio.sleep(2)
        return [*seen, held.budget.demand()["live"], held.budget.demand()["repair"]]

    assert run_virtual(work) == pytest.approx([wanted, wanted * 0.6, 0])


def test_what_waits_is_wanted_too() -> None:
    async def work(clock: LoopClock) -> float:
        held = Held(RateLimit(1, 1, 1, clock))
        tasks = await held.come(3, "repair")
        held.budget.demand()
        await asyncio.sleep(1)
        wanted = held.budget.demand()["repair"]
        await held.give_up(tasks)
        return wanted

    # Three and two waiting, then two waiting alone; what was wanted before has faded to 5 * 0.6.
    assert run_virtual(work) == pytest.approx(3.0)


def test_the_first_wish_after_a_quiet_time_is_told() -> None:
    async def work(clock: LoopClock) -> list[float]:
        held, told = Held(RateLimit(1, 9, 0, clock)), []
        await held.come(1)
        held.budget.on_demand = lambda: told.append(clock.monotonic())
        await held.come(1)
        held.budget.demand()
        await held.come(1)
        for _ in range(20):
            await asyncio.sleep(1)
            held.budget.demand()
        await held.come(1)
        return told

    assert run_virtual(work) == [0, 20]


def test_who_waits_is_heard_of_and_who_does_not_is_not() -> None:
    async def work(clock: LoopClock) -> list[tuple[str, Priority, float]]:
        heard = Heard()
        budget = RateLimit(2, 1, 0, clock, heard)
        await budget.acquire()
        await budget.acquire("repair")
        gives_up = asyncio.create_task(budget.acquire("backfill"))
        await asyncio.sleep(0.25)
        gives_up.cancel()
        await asyncio.gather(gives_up, return_exceptions=True)
        return heard.told

    assert run_virtual(work) == [
        ("begins", "repair", 0),
        ("ends", "repair", pytest.approx(0.5)),
        ("begins", "backfill", 0),
        ("ends", "backfill", pytest.approx(0.25)),
    ]


def test_a_turn_given_back_is_worth_one_call_and_goes_to_the_next() -> None:
    async def work(clock: LoopClock) -> tuple[int, float]:
        held = Held(RateLimit(1, 2, 1, clock))
        first, second, *_ = await held.come(3)
        await asyncio.sleep(0.5)
        held.budget.release()
        second.cancel()  # in the same breath as it was granted
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        inside = held.inside
        assert first.done()
        held.budget.release()
        await held.budget.acquire()
        return inside, clock.monotonic()

    # 1.5 were left; the third took one, and the half that remained is whole by 1.0.
    assert run_virtual(work) == (2, pytest.approx(1.0, abs=0.002))


def test_a_turn_given_back_is_there_for_the_next() -> None:
    async def work(clock: LoopClock) -> float:
        budget = RateLimit(1.0, burst=1, max_in_flight=1, clock=clock)
        await budget.acquire()
        waiting = asyncio.create_task(budget.acquire())
        await asyncio.sleep(0)
        budget.release_unused()
        await waiting
        budget.release_unused()
        return await two_turns(budget, clock)

    assert run_virtual(work) == pytest.approx(1.0, abs=_HAIR)


async def two_turns(budget: RateLimit, clock: LoopClock) -> float:
    for _ in range(2):
        await budget.acquire()
        budget.release()
    return clock.monotonic()
