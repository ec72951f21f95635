from __future__ import annotations

import pytest

from shared.limits.retry import RetrySchedule, backoff


def test_a_wait_is_between_half_and_the_whole_of_its_entry() -> None:
    schedule = RetrySchedule((60.0, 300.0))

    assert schedule.wait(1, lambda: 0.0) == 30.0
    assert schedule.wait(2, lambda: 1.0) == 300.0


def test_a_schedule_ends() -> None:
    assert RetrySchedule((60.0,)).wait(2, lambda: 0.5) is None


def test_a_schedule_is_read_from_text() -> None:
    assert RetrySchedule.parse("60, 300,900") == RetrySchedule((60.0, 300.0, 900.0))


@pytest.mark.parametrize("text", ["", "60,x", "0", "-1", "nan"])
def test_what_is_no_schedule_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- float's own message differs
        RetrySchedule.parse(text)


@pytest.mark.parametrize(("attempt", "ceiling"), [(1, 0.2), (3, 0.8), (20, 30.0), (100_000, 30.0)])
def test_backoff_doubles_up_to_its_cap(attempt: int, ceiling: float) -> None:
    assert backoff(attempt, 0.2, 30.0, lambda: 1.0) == pytest.approx(ceiling)
    assert backoff(attempt, 0.2, 30.0, lambda: 0.0) == 0.0
