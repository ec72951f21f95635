"""A feed's position: nothing skipped, nothing published twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.entities.fulfilment.poll_position import PollPosition, RecordVersion, UnlinkedRecord

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
OVERLAP = timedelta(minutes=10)
PATIENCE = timedelta(hours=24)


def at(minutes: int) -> datetime:
    return NOON + timedelta(minutes=minutes)


def version(minutes: int, digest: str = "a") -> RecordVersion:
    return RecordVersion(at(minutes), digest)


def test_a_first_poll_looks_back_from_now() -> None:
    position = PollPosition.start(NOON, timedelta(hours=2))

    assert position.since(OVERLAP) == at(-130)


def test_a_record_is_published_once_per_version() -> None:
    position = PollPosition(NOON).with_published("7", version(1))

    assert not position.is_new("7", version(1))
    assert position.is_new("7", version(2))
    assert position.is_new("8", version(1))


def test_another_content_of_the_same_second_is_another_version() -> None:
    position = PollPosition(NOON).with_published("7", version(1))

    assert position.is_new("7", version(1, "b"))


def test_publishing_does_not_move_the_cursor() -> None:
    assert PollPosition(NOON).with_published("7", version(5)).newest == NOON


def test_the_cursor_moves_to_the_newest_that_was_seen_and_never_back() -> None:
    assert PollPosition(NOON).advanced([at(3), at(1)], at(60)).newest == at(3)
    assert PollPosition(NOON).advanced([at(-3)], at(60)).newest == NOON
    assert PollPosition(NOON).advanced([], at(60)).newest == NOON


def test_a_stamp_of_the_future_does_not_make_the_feed_deaf() -> None:
    assert PollPosition(NOON).advanced([at(525_600)], at(1)).newest == at(1)


def test_memory_is_bounded_by_the_overlap() -> None:
    position = PollPosition(at(15)).with_published("1", version(0)).with_published("2", version(15))

    assert set(position.trimmed(OVERLAP, PATIENCE).published) == {"2"}


def test_strangers_are_remembered_for_as_long_as_patience_lasts() -> None:
    strangers = {"1": UnlinkedRecord(at(-25 * 60), "100"), "2": UnlinkedRecord(at(-23 * 60), "200")}
    position = PollPosition(NOON).with_unlinked(strangers).trimmed(OVERLAP, PATIENCE)

    assert set(position.unlinked) == {"2"}
    assert position.without_unlinked(["2"]).unlinked == {}


def test_a_position_survives_storage() -> None:
    position = PollPosition(NOON).with_published("1", version(1)).with_unlinked({"2": UnlinkedRecord(at(1), "100")})

    assert PollPosition.read(position.stored()) == position


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 30)), max_size=40), st.integers(1, 7))
def test_records_that_show_up_late_within_the_overlap_are_published_exactly_once(
    changes: list[tuple[int, int]], chunk: int
) -> None:
    """Records become visible in any order; each poll sees all visible ones since the cursor less the overlap."""
    records = {str(number): version(minute) for number, (minute, _) in enumerate(changes)}
    order = sorted(records, key=lambda key: changes[int(key)][1])
    position = PollPosition.start(NOON, timedelta(0))
    published: list[str] = []
    for end in range(0, len(order) + chunk, chunk):
        visible = [key for key in order[:end] if records[key].at >= position.since(OVERLAP)]
        for key in visible:
            if position.is_new(key, records[key]):
                published.append(key)
                position = position.with_published(key, records[key])
        moved = position.advanced([records[key].at for key in visible], at(60)).trimmed(OVERLAP, PATIENCE)
        position = PollPosition.read(moved.stored())

    assert sorted(published) == sorted(records)
