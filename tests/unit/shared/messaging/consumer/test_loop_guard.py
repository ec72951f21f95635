from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.messaging.consumer.loop_guard import LoopGuard
from shared.messaging.lanes.lane import LaneKey

KEY: LaneKey = ("orders", "main|1001")
OTHER: LaneKey = ("orders", "main|1002")


def written(guard: LoopGuard, *times: float, key: LaneKey = KEY) -> LoopGuard:
    for time in times:
        guard.wrote(key, time)
    return guard


@pytest.mark.parametrize(
    ("times", "now", "is_looping"),
    [
        ((), 0.0, False),
        ((1.0, 2.0), 3.0, False),
        ((1.0, 2.0, 3.0), 3.0, True),
        ((1.0, 2.0, 3.0), 59.0, True),
        ((50.0, 55.0, 58.0), 61.0, False),  # a sixtieth of them has gone
        ((50.0, 55.0, 58.0, 59.0), 61.0, True),
        ((1.0, 2.0, 3.0), 121.0, False),
        ((1.0, 2.0, 3.0, 1000.0), 1001.0, False),
    ],
)
def test_a_key_goes_round_from_so_many_writes_on(times: tuple[float, ...], now: float, is_looping: bool) -> None:
    assert written(LoopGuard(3, 60.0), *times).is_looping(KEY, now) == is_looping


def test_keys_are_counted_apart() -> None:
    guard = written(LoopGuard(3, 60.0), 1.0, 1.0, 1.0)

    assert not guard.is_looping(OTHER, 2.0)


waits = st.lists(st.floats(0.0, 200.0), max_size=60)


@given(waits=waits)
def test_what_is_seldom_written_never_goes_round(waits: list[float]) -> None:
    """At most twice in any two windows can never weigh three."""
    guard, now = LoopGuard(3, 60.0), 0.0
    for wait in waits:
        now += 60.0 + wait
        assert not guard.is_looping(KEY, now)
        guard.wrote(KEY, now)


@given(start=st.floats(0.0, 1e6), every=st.floats(0.01, 1.9))
def test_a_loop_is_found_wherever_it_begins(start: float, every: float) -> None:
    guard, now = LoopGuard(15, 60.0), start
    for _ in range(64):
        if guard.is_looping(KEY, now):
            return
        guard.wrote(KEY, now)
        now += every
    raise AssertionError("more than thirty a minute, and nobody noticed")


def test_keys_of_long_ago_take_no_memory() -> None:
    guard = LoopGuard(3, 60.0)
    for number in range(1_000):
        guard.wrote(("orders", f"main|{number}"), number * 60.0)

    assert len(guard._now) + len(guard._before) <= 2
