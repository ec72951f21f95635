from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shared.messaging.lanes.watermark import Watermark


def test_it_moves_only_past_what_is_finished() -> None:
    mark = Watermark()
    for offset in (5, 6, 7):
        assert mark.take(offset, 10, offset * 1000)

    mark.finish(6)
    assert (mark.position, mark.held, mark.held_bytes, mark.oldest) == (5, 3, 30, 5000)
    mark.finish(5)
    assert (mark.position, mark.held, mark.held_bytes, mark.oldest) == (7, 1, 10, 7000)
    mark.finish(7)
    assert (mark.position, mark.held, mark.held_bytes, mark.oldest) == (8, 0, 0, None)


def test_it_begins_where_it_is_told_or_nowhere() -> None:
    assert Watermark().position is None
    assert Watermark(7).position == 7


def test_a_record_fetched_twice_is_taken_once() -> None:
    mark = Watermark()
    assert mark.take(5, 1, 0)

    assert not mark.take(5, 1, 0)
    mark.finish(5)
    assert not mark.take(5, 1, 0)
    assert mark.position == 6


def test_a_batch_that_begins_with_what_was_taken_goes_back() -> None:
    mark = Watermark(7)
    assert not mark.went_back(0)
    mark.take(5, 1, 0)

    assert [mark.went_back(offset) for offset in (4, 5, 6)] == [True, True, False]


def test_holes_in_the_log_are_no_open_records() -> None:
    mark = Watermark()
    mark.take(5, 1, 0)
    mark.finish(5)
    mark.take(9, 1, 0)
    assert mark.position == 9

    mark.finish(9)
    assert mark.position == 10


def test_finishing_what_was_never_taken_changes_nothing() -> None:
    mark = Watermark()
    mark.take(5, 1, 0)

    mark.finish(4)
    mark.finish(99)
    assert (mark.position, mark.held) == (5, 1)


@given(st.permutations(range(12)), st.integers(0, 12))
def test_whatever_the_order_the_position_is_the_first_unfinished(order: list[int], finished: int) -> None:
    mark = Watermark()
    for offset in range(12):
        mark.take(offset, 1, 0)
    for offset in order[:finished]:
        mark.finish(offset)

    expected = next((offset for offset in range(12) if offset not in order[:finished]), 12)
    assert mark.position == expected
    assert mark.held == 12 - expected
