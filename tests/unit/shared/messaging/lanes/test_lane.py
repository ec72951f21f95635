from __future__ import annotations

from dataclasses import replace

import pytest

from shared.messaging.lanes.lane import Kind, Lane, Work, key_text, lane_key, synthetic
from tests.support.messaging import a_record


def test_a_lane_is_a_topic_and_a_key() -> None:
    assert lane_key(a_record("1001", 5)) == ("orders", "main|1001")


def test_records_without_a_key_are_alone() -> None:
    record = replace(a_record("1001", 5, partition=2), key=None)

    assert lane_key(record) == ("orders", "#2:5")
    assert synthetic(record) == "#2:5"


@pytest.mark.parametrize(
    ("key", "text"), [(b"main|1", "main|1"), (b"\xff", "\\xff"), (b"a\0b", "a\\x00b"), ("ü".encode(), "ü"), (b"", "")]
)
def test_any_key_is_a_text_that_a_database_holds(key: bytes, text: str) -> None:
    assert key_text(key) == text


def test_a_new_lane_is_at_rest_and_has_failed_nothing() -> None:
    lane = Lane(("orders", "1"), "main")

    assert not any((lane.waiting, lane.working, lane.resting, lane.queued, lane.retry_due))
    assert (lane.attempts, lane.tries, lane.down_since) == (0, 0, None)


def test_work_has_its_lanes_key() -> None:
    assert Work(Kind.RUN, Lane(("orders", "1"), "main"), 3, []).key == ("orders", "1")
