from __future__ import annotations

import asyncio

import pytest

from shared.canonical.priority import Priority
from shared.limits.demand import LimitShare
from shared.limits.query_cost import QueryCostLimit
from tests.support.virtual_time import LoopClock, run_virtual
from tests.unit.shared.limits.heard import Heard

_HAIR = 0.01  # a timer wakes a millisecond late at the most; sums of fractions miss by less


def status(available: float, rate: float = 50.0) -> dict[str, float]:
    return {"maximumAvailable": 1000.0, "currentlyAvailable": available, "restoreRate": rate}


def test_cost_waits_until_the_points_are_restored() -> None:
    async def work(clock: LoopClock) -> float:
        budget = QueryCostLimit(clock)
        await budget.reserve(1000)
        await budget.reserve(100)
        return clock.monotonic()

    assert run_virtual(work) == pytest.approx(2.0, abs=_HAIR)


def test_what_a_query_did_not_use_comes_back() -> None:
    async def work(clock: LoopClock) -> float:
        budget = QueryCostLimit(clock)
        await budget.reserve(1000)
        budget.update(status(900), reserved=1000, actual=100)
        await budget.reserve(900)
        return clock.monotonic()

    assert run_virtual(work) == pytest.approx(0.0, abs=_HAIR)


def test_a_lower_figure_of_the_shop_is_believed() -> None:
    async def work(clock: LoopClock) -> float:
        budget = QueryCostLimit(clock)
        await budget.reserve(10)
        budget.update(status(0), reserved=10, actual=10)  # someone else emptied it
        await budget.reserve(50)
        return clock.monotonic()

    assert run_virtual(work) == pytest.approx(1.0, abs=_HAIR)


def test_a_query_dearer_than_the_bucket_takes_all_of_it() -> None:
    async def work(clock: LoopClock) -> float:
        budget = QueryCostLimit(clock)
        await budget.reserve(5000)
        return budget.available

    assert run_virtual(work) == 0.0


def test_a_dear_query_that_gives_up_lets_a_cheap_one_pass() -> None:
    async def work(clock: LoopClock) -> float:
        budget = QueryCostLimit(clock)
        await budget.reserve(990)
        dear = asyncio.create_task(budget.reserve(1000))
        cheap = asyncio.create_task(budget.reserve(10))
        await asyncio.sleep(0)
        dear.cancel()
        await cheap
        return clock.monotonic()

    assert run_virtual(work) == pytest.approx(0.0, abs=_HAIR)


def test_points_come_back_by_the_second_up_to_what_fits_in() -> None:
    async def work(clock: LoopClock) -> list[float]:
        budget = QueryCostLimit(clock)
        seen = [budget.available, budget.most]
        await budget.reserve(200)
        seen.append(budget.available)
        await asyncio.sleep(1)
        seen.append(budget.available)
        await asyncio.sleep(10)
        return [*seen, budget.available]

    assert run_virtual(work) == [1000, 1000, 800, 850, 1000]


@pytest.mark.parametrize(("priority", "seconds"), [("live", 0.0), ("repair", 1.0), ("backfill", 3.0)])
def test_what_is_not_live_leaves_points_alone(priority: Priority, seconds: float) -> None:
    async def work(clock: LoopClock) -> tuple[float, float]:
        budget = QueryCostLimit(clock)
        await budget.reserve(150)
        await budget.reserve(800, priority)
        return clock.monotonic(), budget.available

    # 850 are there, 50 a second come: 800 and a tenth of the bucket take a second more, and a fifth three.
    assert run_virtual(work) == (pytest.approx(seconds, abs=0.002), pytest.approx(50 + seconds * 50, abs=0.2))


def test_a_dear_query_that_is_not_live_needs_no_more_than_fits_in() -> None:
    async def work(clock: LoopClock) -> float:
        budget = QueryCostLimit(clock)
        await budget.reserve(950, "backfill")
        return clock.monotonic()

    assert run_virtual(work) == 0


def test_whose_turn_it_is_for_having_waited_leaves_nothing_alone() -> None:
    async def work(clock: LoopClock) -> list[str]:
        budget, order = QueryCostLimit(clock, maximum=100, restore_rate=10), []

        async def call(name: str, priority: Priority) -> None:
            await budget.reserve(10, priority)
            order.append(name)

        await budget.reserve(100)
        tasks = [asyncio.create_task(call("repair", "repair"))]
        tasks += [asyncio.create_task(call("live", "live")) for _ in range(20)]
        await asyncio.gather(*tasks)
        return order

    # With nothing to spare in the bucket, a tenth of the points that come are repair's all the same.
    assert run_virtual(work).index("repair") == 8


@pytest.mark.parametrize(
    ("status", "reserved", "actual", "left"),
    [
        pytest.param({}, 300, 100, 900, id="nothing is said of the bucket"),
        pytest.param({}, 300, 300, 700, id="all of it was spent"),
        pytest.param({}, 300, 400, 600, id="more was spent than was reserved"),
        pytest.param({}, 300, None, 1000, id="throttled: nothing was"),
        pytest.param({"currentlyAvailable": 850}, 300, 100, 850, id="less is there than was believed"),
        pytest.param({"currentlyAvailable": 950}, 300, 100, 900, id="more is there than was believed"),
        pytest.param({"currentlyAvailable": 20}, 300, None, 20, id="throttled: so little is there"),
        pytest.param({"maximumAvailable": 2000}, 300, 100, 1900, id="a larger bucket has also been fuller"),
        pytest.param({"maximumAvailable": 500}, 300, 100, 500, id="a smaller one holds no more than fits in"),
        pytest.param({"maximumAvailable": 0}, 300, 100, 900, id="a bucket of nothing is no bucket"),
        pytest.param({"maximumAvailable": 200}, 300, 50, 200, id="no more comes back than fits in"),
    ],
)
def test_what_is_learnt_of_the_bucket(
    status: dict[str, float], reserved: float, actual: float | None, left: float
) -> None:
    async def work(clock: LoopClock) -> float:
        budget = QueryCostLimit(clock)
        await budget.reserve(reserved)
        budget.update(status, reserved, actual)
        return budget.available

    assert run_virtual(work) == pytest.approx(left)


@pytest.mark.parametrize(
    ("status", "reserved", "actual", "left"),
    [
        pytest.param({}, 100, 20, 455, id="what was not used comes back"),
        pytest.param({"currentlyAvailable": 480}, 100, 20, 430, id="a twentieth of the bucket is nobody's"),
        pytest.param({"currentlyAvailable": 250}, 100, None, 100, id="throttled: of what is there, a half is ours"),
        pytest.param({"maximumAvailable": 2000}, 100, 20, 950, id="half of a larger bucket"),
    ],
)
def test_what_is_learnt_of_a_bucket_that_is_shared(
    status: dict[str, float], reserved: float, actual: float | None, left: float
) -> None:
    async def work(clock: LoopClock) -> float:
        budget = QueryCostLimit(clock)
        budget.take_share(LimitShare(0.5))
        await budget.reserve(reserved)
        budget.update(status, reserved, actual)
        return budget.available

    assert run_virtual(work) == pytest.approx(left)


@pytest.mark.parametrize(("size", "most"), [(1.0, 1000), (0.5, 475), (0.1, 95)])
def test_a_part_of_the_bucket_leaves_a_margin(size: float, most: float) -> None:
    async def work(clock: LoopClock) -> tuple[float, float]:
        budget = QueryCostLimit(clock)
        budget.take_share(LimitShare(size))
        return budget.most, budget.available

    assert run_virtual(work) == (pytest.approx(most), pytest.approx(most))


@pytest.mark.parametrize(
    ("before", "share", "left"),
    [
        pytest.param(0.5, LimitShare(1.0), 475, id="a larger part must fill up first"),
        pytest.param(0.5, LimitShare(1.0, alone=True), 1000, id="unless nobody used the rest"),
        pytest.param(1.0, LimitShare(0.5, alone=True), 475, id="a smaller one is not fuller for being alone"),
        pytest.param(0.2, LimitShare(0.4, alone=True), 380, id="and the margin stays"),
    ],
)
def test_another_part_of_the_bucket(before: float, share: LimitShare, left: float) -> None:
    async def work(clock: LoopClock) -> float:
        budget = QueryCostLimit(clock)
        budget.take_share(LimitShare(before))
        budget.take_share(share)
        return budget.available

    assert run_virtual(work) == pytest.approx(left)


def test_points_come_back_as_fast_as_our_part_of_the_rate() -> None:
    async def work(clock: LoopClock) -> list[float]:
        budget = QueryCostLimit(clock)
        await budget.reserve(1000)
        await asyncio.sleep(2)
        budget.take_share(LimitShare(0.5))
        seen = [budget.available]
        await asyncio.sleep(2)
        seen.append(budget.available)
        budget.update({"restoreRate": 100}, 0, 0)
        await asyncio.sleep(1)
        seen.append(budget.available)
        started = clock.monotonic()
        await budget.reserve(300)
        return [*seen, clock.monotonic() - started]

    assert run_virtual(work) == pytest.approx([100, 150, 200, 2], abs=0.01)


async def _reserved(budget: QueryCostLimit, clock: LoopClock, cost: float, priority: Priority = "live") -> float:
    """When it had its points."""
    await budget.reserve(cost, priority)
    return clock.monotonic()


@pytest.mark.parametrize(
    ("what", "at"),
    [
        pytest.param("nothing", 8.0, id="as was computed"),
        pytest.param("learn", 2.0, id="earlier for a reply that gives points back"),
        pytest.param("rate", 5.0, id="earlier for a faster bucket"),
        pytest.param("less", 14.0, id="later for a smaller part"),
        pytest.param("cheap", 8.0, id="no earlier for one that comes later and needs less"),
    ],
)
def test_who_waits_is_woken_when_the_points_are_there(what: str, at: float) -> None:
    async def work(clock: LoopClock) -> float:
        budget = QueryCostLimit(clock)
        await budget.reserve(1000)
        waiting = asyncio.create_task(_reserved(budget, clock, 400))
        await asyncio.sleep(2)
        match what:
            case "learn":
                budget.update({}, 500, 100)
            case "rate":
                budget.update({"restoreRate": 100}, 0, 0)
            case "less":
                budget.take_share(LimitShare(0.5))
            case "cheap":
                task = asyncio.create_task(_reserved(budget, clock, 1))
                assert await waiting <= await task
        return await waiting

    assert run_virtual(work) == pytest.approx(at, abs=0.003)


def test_a_more_urgent_call_that_comes_later_goes_first_and_at_its_own_time() -> None:
    async def work(clock: LoopClock) -> list[float]:
        budget = QueryCostLimit(clock)
        await budget.reserve(1000)
        repair = asyncio.create_task(_reserved(budget, clock, 400, "repair"))
        await asyncio.sleep(1)
        live = asyncio.create_task(_reserved(budget, clock, 100))
        return [await live, await repair]

    # A hundred points after two seconds; then four hundred, with a tenth of the bucket left alone, after ten more.
    assert run_virtual(work) == pytest.approx([2, 12], abs=0.01)


def test_what_was_granted_to_one_that_gave_up_comes_back() -> None:
    async def work(clock: LoopClock) -> list[float]:
        budget = QueryCostLimit(clock)
        await budget.reserve(1000)
        waiting = asyncio.create_task(budget.reserve(400))
        await asyncio.sleep(0)
        budget.update({}, 1000, 500)  # grants it
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        seen = [budget.available]
        dear = asyncio.create_task(budget.reserve(5000))
        await asyncio.sleep(0)
        budget.update({}, 500, 0)
        dear.cancel()
        await asyncio.gather(dear, return_exceptions=True)
        return [*seen, budget.available]

    assert run_virtual(work) == [500, 1000]


def test_one_that_gives_up_before_its_turn_gives_nothing_back() -> None:
    async def work(clock: LoopClock) -> float:
        budget = QueryCostLimit(clock)
        await budget.reserve(950)
        waiting = asyncio.create_task(budget.reserve(400))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        return budget.available

    assert run_virtual(work) == 50


def test_demand_is_what_was_asked_for_by_the_second_as_a_part_of_what_comes_back() -> None:
    async def work(clock: LoopClock) -> list[float]:
        budget = QueryCostLimit(clock)
        await budget.reserve(100)
        await budget.reserve(50, "repair")
        await asyncio.sleep(2)
        first = budget.demand()
        await asyncio.sleep(1)
        return [first["live"], first["repair"], first["backfill"], budget.demand()["live"]]

    assert run_virtual(work) == pytest.approx([1.0, 0.5, 0.0, 0.6])


def test_the_first_wish_after_a_quiet_time_is_told() -> None:
    async def work(clock: LoopClock) -> list[float]:
        budget, told = QueryCostLimit(clock), []
        await budget.reserve(1)
        budget.on_demand = lambda: told.append(clock.monotonic())
        await budget.reserve(1)
        budget.demand()
        await budget.reserve(1)
        for _ in range(20):
            await asyncio.sleep(1)
            budget.demand()
        await budget.reserve(1)
        return told

    assert run_virtual(work) == [0, 20]


def test_who_waits_is_heard_of_and_who_does_not_is_not() -> None:
    async def work(clock: LoopClock) -> list[tuple[str, Priority, float]]:
        heard = Heard()
        budget = QueryCostLimit(clock, watch=heard)
        await budget.reserve(1000)
        await budget.reserve(50)
        gives_up = asyncio.create_task(budget.reserve(50, "backfill"))
        await asyncio.sleep(0.25)
        gives_up.cancel()
        await asyncio.gather(gives_up, return_exceptions=True)
        return heard.told

    assert run_virtual(work) == [
        ("begins", "live", 0),
        ("ends", "live", pytest.approx(1.0, abs=0.002)),
        ("begins", "backfill", 0),
        ("ends", "backfill", pytest.approx(0.25)),
    ]


def test_points_given_back_are_there_for_the_next() -> None:
    async def work(clock: LoopClock) -> tuple[float, float]:
        budget = QueryCostLimit(clock)
        await budget.reserve(1000)
        waiting = asyncio.create_task(budget.reserve(600))
        await asyncio.sleep(0)
        budget.release_unused(1000)
        await waiting
        left = budget.available
        budget.release_unused(5000)
        return left, budget.available

    assert run_virtual(work) == (400.0, 1000.0)
