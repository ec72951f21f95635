from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.catchup.__main__ import calls_needed

START = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def test_calls_count_the_backlog_and_live_orders_opened_before_its_end() -> None:
    assert calls_needed(8.0, [at(1), at(9)], [at(2), at(5), at(10)]) == 32
