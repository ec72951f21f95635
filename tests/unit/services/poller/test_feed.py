"""A feed's position: nothing skipped, nothing published twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.poller.feed import Position

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
OVERLAP = timedelta(minutes=10)


def at(minutes: int) -> datetime:
    return NOON + timedelta(minutes=minutes)


def test_a_first_poll_looks_back_from_now() -> None:
    position = Position.start(NOON, timedelta(hours=2))

    assert position.since(OVERLAP) == at(-130)


def test_a_record_is_published_once_per_version() -> None:
    position = Position(NOON).with_published("7", at(1))

    assert not position.is_new("7", at(1))
    assert position.is_new("7", at(2))
    assert position.is_new("8", at(1))


def test_what_is_not_ours_moves_the_cursor_but_stays_new() -> None:
    position = Position(NOON).seen(at(3))

    assert position.newest == at(3)
    assert position.is_new("7", at(3))


def test_memory_is_bounded_by_the_overlap() -> None:
    position = Position(NOON).with_published("1", NOON).with_published("2", at(15)).trimmed(OVERLAP)

    assert dict(position.published) == {"2": at(15)}


def test_a_position_survives_storage() -> None:
    position = Position(NOON).with_published("1", at(1))

    assert Position.read(position.stored()) == position


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 9)), max_size=40), st.integers(1, 7))
def test_records_that_show_up_late_within_the_overlap_are_published_exactly_once(
    changes: list[tuple[int, int]], chunk: int
) -> None:
    """Records become visible in any order; each poll sees all visible ones since the cursor less the overlap."""
    records = {str(number): at(minute % 10) for number, (minute, _) in enumerate(changes)}
    order = sorted(records, key=lambda key: changes[int(key)][1])
    position = Position.start(NOON, timedelta(0))
    published: list[str] = []
    for end in range(0, len(order) + chunk, chunk):
        visible = [key for key in order[:end] if records[key] >= position.since(OVERLAP)]
        for key in visible:
            if position.is_new(key, records[key]):
                published.append(key)
                position = position.with_published(key, records[key])
        position = Position.read(position.trimmed(OVERLAP).stored())

    assert sorted(published) == sorted(records)
