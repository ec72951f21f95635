from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.catchup.__main__ import needed

START = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def test_calls_are_needed_for_what_waited_and_for_what_came_in_until_then() -> None:
    assert needed(8.0, [at(1), at(9)], [at(2), at(5), at(10)]) == 32
