from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial

import pytest
from aiobreaker.state import CircuitClosedState, CircuitHalfOpenState

from shared.errors import IntegrationError, OutcomeUnknown, Rejected, TargetDown
from shared.limits.circuit_breaker import CLOSED, HALF_OPEN, OPEN, Breaker
from tests.support.clock import FakeClock


def a_breaker(clock: FakeClock, seen: list[int] | None = None) -> Breaker:
    def note(state: int, error: BaseException | None) -> None:
        if seen is not None:
            seen.append(state)

    return Breaker("demo/heartland", clock=clock, open_seconds=10.0, on_change=note)


async def fail(breaker: Breaker, error: Exception, *subjects: str) -> None:
    async def work() -> None:
        raise error

    with pytest.raises(type(error)):
        await breaker.call(work, frozenset(subjects))


async def opened(clock: FakeClock, after: float | None = None) -> Breaker:
    breaker = a_breaker(clock)
    for _ in range(5):
        await fail(breaker, TargetDown("refused", after))
    assert breaker.state == OPEN
    return breaker


async def pass_through(breaker: Breaker, *subjects: str) -> None:
    await breaker.call(partial(asyncio.sleep, 0), frozenset(subjects))


async def test_five_failures_open_it_and_say_how_long() -> None:
    breaker = await opened(FakeClock())

    with pytest.raises(TargetDown) as refused:
        await pass_through(breaker)

    assert refused.value.after == 10.0


async def test_the_failure_that_opens_it_reaches_the_caller_itself() -> None:
    breaker = a_breaker(FakeClock())
    for _ in range(4):
        await fail(breaker, TargetDown("refused"))
    unknown = OutcomeUnknown("timeout")

    async def send() -> None:
        raise unknown

    with pytest.raises(OutcomeUnknown) as caught:
        await breaker.call(send)

    assert caught.value is unknown
    assert breaker.state == OPEN


async def test_it_stays_open_for_as_long_as_the_target_said() -> None:
    clock = FakeClock()
    breaker = await opened(clock, after=60.0)
    clock.advance(59)

    with pytest.raises(TargetDown):
        await pass_through(breaker)


async def test_of_a_hundred_calls_exactly_one_probes() -> None:
    clock = FakeClock()
    breaker = await opened(clock)
    clock.advance(10)
    passed = 0
    answer = asyncio.Event()

    async def work() -> None:
        nonlocal passed
        passed += 1
        await answer.wait()

    calls = [asyncio.create_task(breaker.call(work)) for _ in range(100)]
    await asyncio.sleep(0)
    answer.set()
    ends = await asyncio.gather(*calls, return_exceptions=True)

    assert passed == 1
    assert sum(isinstance(end, TargetDown) for end in ends) == 99
    assert breaker.state == CLOSED


async def test_a_failed_probe_opens_it_for_another_turn() -> None:
    clock = FakeClock()
    breaker = await opened(clock)
    clock.advance(10)

    await fail(breaker, TargetDown("still refused"))
    clock.advance(9)

    with pytest.raises(TargetDown):
        await pass_through(breaker)


async def test_a_cancelled_probe_makes_room_for_the_next() -> None:
    clock = FakeClock()
    breaker = await opened(clock)
    clock.advance(10)
    probe = asyncio.create_task(breaker.call(asyncio.Event().wait))
    await asyncio.sleep(0)
    probe.cancel()
    await asyncio.gather(probe, return_exceptions=True)
    assert breaker.state == HALF_OPEN

    await pass_through(breaker)

    assert breaker.state == CLOSED


async def test_a_late_failure_of_a_call_begun_before_does_not_push_the_deadline() -> None:
    clock = FakeClock()
    breaker = a_breaker(clock)
    end = asyncio.Event()

    async def slow() -> None:
        await end.wait()
        raise TargetDown("late")

    late = asyncio.create_task(breaker.call(slow))
    await asyncio.sleep(0)
    for _ in range(5):
        await fail(breaker, TargetDown("refused"))
    clock.advance(9)
    end.set()
    await asyncio.gather(late, return_exceptions=True)
    clock.advance(1)

    await pass_through(breaker)

    assert breaker.state == CLOSED


@pytest.mark.parametrize("error", [Rejected("no such item"), IntegrationError("other"), ValueError("a bug")])
async def test_what_is_not_the_targets_fault_never_opens_it(error: Exception) -> None:
    breaker = a_breaker(FakeClock())

    for _ in range(50):
        await fail(breaker, error)

    assert breaker.state == CLOSED


async def test_failures_far_apart_do_not_add_up() -> None:
    clock = FakeClock()
    breaker = a_breaker(clock)

    for _ in range(20):
        await fail(breaker, TargetDown("refused"))
        clock.advance(8)

    assert breaker.state == CLOSED


async def test_a_rare_failure_among_many_calls_does_not_open_it() -> None:
    breaker = a_breaker(FakeClock())

    for _ in range(20):
        await fail(breaker, TargetDown("refused"))
        for _ in range(9):
            await pass_through(breaker)

    assert breaker.state == CLOSED


async def test_a_burst_opens_it_at_once_whatever_went_well_before() -> None:
    breaker = a_breaker(FakeClock())
    for _ in range(1000):
        await pass_through(breaker)

    for _ in range(5):
        await fail(breaker, TargetDown("refused"))

    assert breaker.state == OPEN


async def test_a_target_that_is_back_gets_its_calls_little_by_little() -> None:
    clock = FakeClock()
    breaker = await opened(clock)
    clock.advance(10)
    await pass_through(breaker)
    rounds = []

    for _ in range(5):
        passed = 0
        with suppress(TargetDown):
            while passed < 100:
                breaker.begin()
                passed += 1
        rounds.append(passed)
        for _ in range(passed):
            breaker.end(breaker.generation, None)

    assert rounds == [2, 4, 8, 16, 100]


async def test_a_rare_failure_while_it_comes_back_does_not_open_it_and_a_burst_does() -> None:
    clock = FakeClock()
    breaker = await opened(clock)
    clock.advance(10)
    await pass_through(breaker)

    await fail(breaker, TargetDown("once"))
    assert breaker.state == CLOSED
    for _ in range(4):
        await fail(breaker, TargetDown("down again"))

    assert breaker.state == OPEN


async def test_an_event_that_is_refused_while_it_comes_back_counts_as_an_answer() -> None:
    clock = FakeClock()
    breaker = await opened(clock)
    clock.advance(10)
    await pass_through(breaker)

    for _ in range(30):
        await fail(breaker, Rejected("no such item"))

    assert breaker.state == CLOSED


async def test_every_change_is_told() -> None:
    clock = FakeClock()
    seen: list[int] = []
    breaker = a_breaker(clock, seen)
    for _ in range(5):
        await fail(breaker, TargetDown("refused"))
    clock.advance(10)
    await pass_through(breaker)

    assert seen == [OPEN, HALF_OPEN, CLOSED]


@pytest.mark.parametrize(("seconds", "state"), [(30.0, OPEN), (30.5, CLOSED)])
async def test_a_failure_counts_for_half_a_minute(seconds: float, state: int) -> None:
    clock = FakeClock()
    breaker = a_breaker(clock)
    for _ in range(4):
        await fail(breaker, TargetDown("refused"))
    clock.advance(seconds)

    await fail(breaker, TargetDown("refused"))

    assert breaker.state == state


@pytest.mark.parametrize(("well", "state"), [(5, OPEN), (6, CLOSED)])
async def test_the_latest_ten_calls_count(well: int, state: int) -> None:
    breaker = a_breaker(FakeClock())
    for _ in range(4):
        await fail(breaker, TargetDown("refused"))
    for _ in range(well):
        await pass_through(breaker)

    await fail(breaker, TargetDown("refused"))

    assert breaker.state == state


@pytest.mark.parametrize(("well", "state"), [(5, OPEN), (6, CLOSED)])
async def test_the_oldest_calls_are_forgotten_first(well: int, state: int) -> None:
    breaker = a_breaker(FakeClock())
    for _ in range(7):
        await pass_through(breaker)
    for _ in range(4):
        await fail(breaker, TargetDown("refused"))
    for _ in range(well):
        await pass_through(breaker)

    await fail(breaker, TargetDown("refused"))

    assert breaker.state == state


async def test_who_is_refused_learns_which_vendor_is_away_and_when_to_ask() -> None:
    clock = FakeClock()
    breaker = await opened(clock)
    with pytest.raises(TargetDown) as refused:
        breaker.begin()
    clock.advance(10)
    breaker.begin()
    with pytest.raises(TargetDown) as behind:
        breaker.begin()

    assert [error.value.target for error in (refused, behind)] == ["heartland", "heartland"]
    assert [error.value.after for error in (refused, behind)] == [10.0, 0.5]


async def test_an_event_that_the_target_refuses_shows_that_it_is_there() -> None:
    clock = FakeClock()
    breaker = await opened(clock)
    clock.advance(10)

    await fail(breaker, Rejected("no such item"))

    assert breaker.state == CLOSED


async def test_once_closed_it_takes_five_failures_again() -> None:
    clock = FakeClock()
    breaker = await opened(clock)
    clock.advance(10)
    await pass_through(breaker)

    for _ in range(4):
        await fail(breaker, TargetDown("refused"))
    assert breaker.state == CLOSED
    await fail(breaker, TargetDown("refused"))
    assert breaker.state == OPEN


async def test_its_rest_may_be_short() -> None:
    clock = FakeClock()
    breaker = Breaker("demo/heartland", failures=1, open_seconds=0.5, clock=clock)
    await fail(breaker, TargetDown("refused"))
    clock.advance(0.5)

    await pass_through(breaker)

    assert breaker.state == CLOSED


async def test_a_check_says_what_a_call_would_meet_and_changes_nothing() -> None:
    clock, seen = FakeClock(), list[int]()
    breaker = a_breaker(clock, seen)
    breaker.check()
    for _ in range(5):
        await fail(breaker, TargetDown("refused"))
    with pytest.raises(TargetDown, match="is open") as refused:
        breaker.check()
    assert refused.value.after == 10.0

    clock.advance(10)
    breaker.check()  # a probe could go
    assert seen == [OPEN]
    probe = breaker.begin()
    with pytest.raises(TargetDown, match="probe"):
        breaker.check()
    breaker.end(probe, None)
    breaker.check()
    for _ in range(2):
        breaker.begin()
    with pytest.raises(TargetDown, match="little by little"):
        breaker.check()


async def fail_for(breaker: Breaker, *ids: str, answered: bool = True) -> TargetDown:
    error = TargetDown("HTTP 500", answered=answered)
    await fail(breaker, error, *ids)
    return error


async def test_one_record_that_the_target_cannot_stand_never_opens_it() -> None:
    breaker = a_breaker(FakeClock())
    for ids in (("1", "2"), ("1",), ("1", "3"), ("1",), ("1",), ("1",)):
        await fail_for(breaker, *ids)

    assert breaker.state == CLOSED
    await fail_for(breaker, "2")
    assert breaker.state == OPEN


async def test_a_target_that_does_not_answer_opens_it_for_whomever_it_was() -> None:
    breaker = a_breaker(FakeClock())
    for _ in range(4):
        await fail_for(breaker, "1")
    await fail_for(breaker, "1", answered=False)

    assert breaker.state == OPEN


async def test_calls_for_nobody_in_particular_open_it() -> None:
    breaker = a_breaker(FakeClock())
    for _ in range(5):
        await fail_for(breaker)

    assert breaker.state == OPEN


async def test_a_failure_says_when_another_record_was_answered_well() -> None:
    clock = FakeClock()
    breaker = Breaker("demo/heartland", failures=99, clock=clock)
    assert (await fail_for(breaker, "1")).well_at is None
    times = []
    for name in ("2", "3", "1", "1"):
        await pass_through(breaker, name)
        times.append(clock.monotonic())
        clock.advance(1)

    assert (await fail_for(breaker, "1")).well_at == times[1]
    assert (await fail_for(breaker, "3", "1")).well_at is None
    assert (await fail_for(breaker, "2")).well_at == times[3]
    assert (await fail_for(breaker, "2", answered=False)).well_at is None
    await pass_through(breaker)
    assert (await fail_for(breaker, "1")).well_at == clock.monotonic()


async def test_the_first_success_is_told_once() -> None:
    told: list[bool] = []
    breaker = Breaker("demo/heartland", clock=FakeClock(), on_first_success=lambda: told.append(True))
    await fail(breaker, TargetDown("refused"))
    assert told == []
    for _ in range(3):
        await pass_through(breaker)

    assert told == [True]


# aiobreaker's state machine decides: without its decisions nothing opens, closes or is refused.


async def test_a_call_is_refused_because_aiobreaker_is_open() -> None:
    breaker = a_breaker(FakeClock(), seen := [])

    breaker._machine.open()

    assert (breaker.state, seen) == (OPEN, [OPEN])
    with pytest.raises(TargetDown):
        await pass_through(breaker)
    breaker._machine.close()
    await pass_through(breaker)


async def test_failures_open_nothing_that_aiobreaker_keeps_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CircuitClosedState, "on_failure", lambda *_: None)
    breaker = a_breaker(FakeClock())

    for _ in range(20):
        await fail(breaker, TargetDown("refused"))

    assert breaker.state == CLOSED


async def test_a_probe_closes_nothing_that_aiobreaker_keeps_half_open(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    breaker = await opened(clock)
    monkeypatch.setattr(CircuitHalfOpenState, "on_success", lambda *_: None)
    clock.advance(10)

    await pass_through(breaker)

    assert breaker.state == HALF_OPEN


async def test_what_aiobreaker_tells_its_listeners_is_told_on() -> None:
    clock = FakeClock()
    breaker = a_breaker(clock, seen := [])
    for _ in range(5):
        await fail(breaker, TargetDown("refused"))
    clock.advance(10)
    await pass_through(breaker)

    assert seen == [OPEN, HALF_OPEN, CLOSED]
    breaker._machine.remove_listener(breaker._machine.listeners[0])
    breaker._machine.open()
    assert seen == [OPEN, HALF_OPEN, CLOSED]
