from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.canonical.priority import PRIORITIES
from shared.limits.demand import Demand, LimitShare
from shared.limits.share_allocation import NEWCOMER, ShareNegotiation, divide, share_out

WHOLE = 1 - NEWCOMER
A_DEMAND = st.fixed_dictionaries({}, optional={name: st.floats(0, 20) for name in PRIORITIES})
DEMANDS = st.dictionaries(st.text("abcdef", min_size=1, max_size=2), A_DEMAND, max_size=8)


def live(size: float) -> Demand:
    return {"live": size}


@pytest.mark.parametrize(
    ("demands", "parts"),
    [
        pytest.param({}, {}, id="nobody wants anything"),
        pytest.param({"a": live(0.01)}, {"a": 1.0}, id="who is alone has it all"),
        pytest.param({"a": live(5), "b": live(0)}, {"a": 1.0}, id="who wants nothing takes nothing"),
        pytest.param({"a": live(5), "b": live(5)}, {"a": WHOLE / 2, "b": WHOLE / 2}, id="equals halve it"),
        pytest.param({"a": live(9), "b": live(0.2)}, {"a": WHOLE - 0.2, "b": 0.2}, id="the small one in full"),
        pytest.param(
            {"a": live(0.2), "b": live(0.3)}, {"a": 0.2 + 0.225, "b": 0.3 + 0.225}, id="what is left is split evenly"
        ),
        pytest.param(
            {"a": live(5), "b": {"backfill": 5}}, {"a": WHOLE - 0.1, "b": 0.1}, id="live presses backfill elsewhere"
        ),
        pytest.param(
            {"a": {"live": 5, "backfill": 5}, "b": {"backfill": 5}},
            {"a": WHOLE - 0.05, "b": 0.05},
            id="and its own backfill as much",
        ),
        pytest.param(
            {"a": live(5), "b": {"repair": 5}, "c": {"backfill": 5}},
            {"a": WHOLE - 0.2, "b": 0.1, "c": 0.1},
            id="a tenth for each that waits",
        ),
    ],
)
def test_a_limit_is_shared_out(demands: dict[str, Demand], parts: dict[str, float]) -> None:
    assert share_out(demands) == pytest.approx(parts)


@given(DEMANDS)
def test_the_parts_are_never_more_than_the_whole_and_whoever_wants_some_has_some(demands: dict[str, Demand]) -> None:
    parts = share_out(demands)

    assert sum(parts.values()) <= 1 + 1e-9
    assert set(parts) == {name for name, demand in demands.items() if any(demand.values())}
    assert all(part >= 0.01 for part in parts.values())


@given(DEMANDS)
def test_nothing_is_left_unused(demands: dict[str, Demand]) -> None:
    assert sum(share_out(demands).values()) == pytest.approx(1 if len(share_out(demands)) == 1 else WHOLE) or not any(
        any(demand.values()) for demand in demands.values()
    )


@given(DEMANDS, st.floats(0, 5))
def test_more_live_demand_elsewhere_never_gives_a_backfill_more(demands: dict[str, Demand], more: float) -> None:
    before = {**demands, "mine": {"backfill": 1.0}, "other": live(0.1)}
    after = {**before, "other": live(0.1 + more)}

    assert share_out(after)["mine"] <= share_out(before)["mine"] + 1e-9


@given(st.dictionaries(st.integers(0, 9), st.floats(0, 5), min_size=1), st.floats(0, 1))
def test_of_two_the_one_who_wants_less_is_never_short_while_the_other_has_more(
    wants: dict[int, float], whole: float
) -> None:
    parts = divide({str(name): want for name, want in wants.items()}, whole)

    for one in parts:
        for other in parts:
            assert parts[one] >= wants[int(one)] - 1e-9 or parts[other] <= parts[one] + 1e-9


def test_who_begins_while_others_work_starts_small_and_grows_when_they_know() -> None:
    standing = ShareNegotiation(1.0)

    sizes = [standing.update(live(5), {"b": live(5)}, now).size for now in (10.0, 10.3, 11.0)]

    assert sizes == pytest.approx([NEWCOMER, NEWCOMER, WHOLE / 2])


def test_who_is_alone_has_all_of_it_at_once_and_gives_half_of_it_back_at_once() -> None:
    standing = ShareNegotiation(1.0)

    assert standing.update(live(0.1), {}, 10.0) == LimitShare(1.0, alone=True)
    assert standing.update(live(5), {"b": live(5)}, 10.1) == LimitShare(WHOLE / 2)


def test_who_was_out_of_touch_is_not_alone_by_its_first_reading() -> None:
    standing = ShareNegotiation(1.0)
    for now in (10.0, 11.0):
        standing.update(live(5), {"b": live(5)}, now)

    assert standing.update(live(5), {}, 19.0) == LimitShare(WHOLE / 2)
    assert standing.update(live(5), {}, 19.8) == LimitShare(WHOLE / 2)
    assert standing.update(live(5), {}, 20.0) == LimitShare(1.0, alone=True)


def test_who_was_out_of_touch_grows_only_from_what_it_tells_after_it() -> None:
    standing = ShareNegotiation(1.0)
    standing.update(live(5), {"b": live(5)}, 10.0)

    sizes = [standing.update(live(5), {"b": live(0.1)}, now).size for now in (19.0, 20.0)]

    assert sizes == pytest.approx([NEWCOMER, WHOLE - 0.1])


@pytest.mark.parametrize(("later", "alone"), [(2.9, True), (3.0, False)])
def test_out_of_touch_is_who_read_nothing_for_three_periods(later: float, alone: bool) -> None:
    standing = ShareNegotiation(2.0)
    standing.update(live(5), {"b": live(5)}, 10.0)

    assert standing.update(live(5), {}, 10.0 + 2 * later).alone == alone


def test_who_begins_and_could_not_tell_starts_small_even_if_it_seems_alone() -> None:
    standing = ShareNegotiation(1.0)
    standing.mark_missed()

    assert standing.update(live(5), {}, 10.0) == LimitShare(NEWCOMER)
    assert standing.update(live(5), {}, 10.1) == LimitShare(NEWCOMER)
    assert standing.update(live(5), {}, 11.0) == LimitShare(1.0, alone=True)


def test_one_reading_that_was_missed_gives_nothing_up_and_takes_nothing() -> None:
    standing = ShareNegotiation(1.0)
    standing.update(live(5), {"b": live(5)}, 10.0)
    held = standing.update(live(5), {"b": live(5)}, 11.0)
    standing.mark_missed()

    assert standing.update(live(5), {}, 13.0) == held


def test_who_was_quiet_begins_anew() -> None:
    standing = ShareNegotiation(1.0)
    for now in (10.0, 11.0):
        standing.update(live(5), {"b": live(5)}, now)

    assert standing.reset() == LimitShare(NEWCOMER)
    assert standing.update(live(5), {"b": live(5)}, 12.0).size == pytest.approx(NEWCOMER)


@given(st.lists(st.tuples(st.floats(0, 3), st.floats(0, 3)), min_size=1, max_size=30))
def test_two_who_hear_of_each_other_late_take_no_more_than_there_is(moves: list[tuple[float, float]]) -> None:
    """Each reads once a second, half a second apart, and hears what the other told last."""
    standings, told = [ShareNegotiation(1.0), ShareNegotiation(1.0)], [live(0.0), live(0.0)]
    parts = [NEWCOMER, NEWCOMER]
    for number, wants in enumerate(moves):
        for one, want in enumerate(wants):
            told[one] = live(want)
            if want:
                parts[one] = standings[one].update(told[one], {"other": told[1 - one]}, number + one / 2).size
            else:
                parts[one] = standings[one].reset().size

        # What a newcomer starts with comes on top of what who was alone has, for as long as nobody knows of it.
        assert sum(parts) <= 1 + NEWCOMER + 1e-9
