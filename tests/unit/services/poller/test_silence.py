"""Whether webhooks are fewer than usual: tables of weeks, and the chance against a sum of its own."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.poller.silence import HOUR, IMPROBABLE, dispersion, judge, probability, rate

NOW = datetime(2026, 11, 25, 15, 30, tzinfo=UTC)  # a Wednesday
TOP = NOW.replace(minute=0)


def weeks(per_hour: float, *, days: int = 28, until: datetime = TOP, sunday: float = 1.0) -> dict[datetime, int]:
    """A steady shop: so many webhooks in each hour before `until`; on Sundays this part of them."""
    hours = [until - back * HOUR for back in range(1, days * 24 + 1)]
    return {hour: round(per_hour * (sunday if hour.weekday() == 6 else 1.0)) for hour in hours}


@pytest.mark.parametrize(
    ("per_hour", "quiet_minutes", "silent"),
    [
        pytest.param(100, 10, True, id="a busy shop, ten minutes"),
        pytest.param(100, 3, False, id="a busy shop, three minutes"),
        pytest.param(20, 15, False, id="twenty an hour, a quarter of an hour"),
        pytest.param(20, 40, True, id="twenty an hour, forty minutes"),
        pytest.param(2, 180, False, id="two an hour, three hours"),
        pytest.param(2, 360, True, id="two an hour, six hours"),
        pytest.param(0, 900, False, id="a shop without orders"),
    ],
)
def test_how_long_a_shop_may_be_quiet(per_hour: int, quiet_minutes: int, silent: bool) -> None:
    last_at = NOW - timedelta(minutes=quiet_minutes)
    counts = {hour: count for hour, count in weeks(per_hour).items() if hour + HOUR <= last_at}

    assert judge(counts, last_at, NOW).is_silent is silent


def test_what_is_usual_is_learnt_for_three_days_first() -> None:
    last_at = NOW - timedelta(hours=3)

    assert not judge(weeks(100, days=2, until=TOP - 3 * HOUR), last_at, NOW).is_silent
    assert judge(weeks(100, days=4, until=TOP - 3 * HOUR), last_at, NOW).is_silent


def test_a_shop_that_rests_on_sundays_is_not_reported_on_sundays() -> None:
    sunday = datetime(2026, 11, 22, 15, 30, tzinfo=UTC)
    counts = weeks(100, until=sunday.replace(minute=0), sunday=0)
    last_at = datetime(2026, 11, 21, 23, 59, tzinfo=UTC)

    assert not judge(counts, last_at, sunday).is_silent


def test_a_part_that_is_missing_is_noticed_when_the_hour_is_over() -> None:
    counts = weeks(100) | {TOP - HOUR: 20}
    verdict = judge(counts, NOW, NOW)

    assert verdict.is_silent
    assert (verdict.since, verdict.seen, verdict.expected) == (TOP - HOUR, 20, 100)


def test_webhooks_that_come_in_bunches_are_fewer_witnesses() -> None:
    chance = random.Random(7)
    orders = {hour: sum(chance.random() < 0.05 for _ in range(100)) for hour in weeks(1)}
    bunches = {hour: 8 * count for hour, count in orders.items()}  # each order sends eight

    assert 6 < dispersion(bunches, NOW) < 9
    assert not judge(bunches, NOW - timedelta(hours=1), NOW).is_silent
    assert judge(bunches, NOW - timedelta(hours=6), NOW).is_silent


def test_an_ordinary_week_raises_nothing() -> None:
    chance = random.Random(11)
    counts: dict[datetime, int] = {}
    alarms = 0
    for back in range(35 * 24, 0, -1):
        now = TOP - back * HOUR
        if back <= 7 * 24:
            alarms += judge(counts, now, now).is_silent
        counts[now] = sum(3 for _ in range(200) if chance.random() < 0.1)  # 20 orders an hour, three topics each

    assert alarms == 0


def test_the_clock_going_back_is_no_silence() -> None:
    assert not judge(weeks(100), NOW + timedelta(hours=1), NOW).is_silent


@given(st.integers(0, 60), st.floats(0.01, 200))
def test_the_chance_is_the_sum_of_its_terms(seen: int, expected: float) -> None:
    terms = [math.exp(count * math.log(expected) - expected - math.lgamma(count + 1)) for count in range(seen + 1)]
    wanted = 1.0 if seen >= expected else math.fsum(terms)

    assert probability(seen, expected) == pytest.approx(wanted, rel=1e-6, abs=1e-300)


@given(st.integers(0, 50), st.floats(0.1, 1e6), st.floats(0.1, 1e6))
def test_the_more_is_usual_the_less_likely_it_is_to_see_few(seen: int, one: float, other: float) -> None:
    low, high = sorted((one, other))

    assert probability(seen, high) <= probability(seen, low) + 1e-12


def test_ten_expected_and_none_seen_is_improbable() -> None:
    assert probability(0, 10.0) < IMPROBABLE < probability(0, 9.0)


def test_an_hour_that_nobody_knows_has_no_rate() -> None:
    assert rate({}, TOP) == 0.0
