"""Detects that fewer webhooks arrive than usual. Pure.

The usual rate is a low estimate: the first quartile of the same hour on earlier days, and at most the mean of the same
hour on the same weekday, so that a shop that is closed on Sundays raises no alert each Sunday. Webhooks arrive in
bunches (several topics for one order), so counts are divided by their index of dispersion before the Poisson
probability is computed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

HOUR = timedelta(hours=1)
# Days of history that are read, days for the quartile, and fewest days without which there is no estimate.
DAYS = 28
_LATELY = 14
_LEAST_DAYS = 3
_WEEKS = (7, 14, 21, 28)
_LEAST_WEEKS = 2
# Webhooks count as silent below this probability.
IMPROBABLE = 1e-4


@dataclass(frozen=True, slots=True)
class Verdict:
    """How many webhooks were seen and expected since a time; `chance` is the probability of so few."""

    since: datetime
    seen: int
    expected: float
    chance: float

    @property
    def is_silent(self) -> bool:
        return self.chance < IMPROBABLE


def judge(counts: Mapping[datetime, int], last_at: datetime, now: datetime) -> Verdict:
    """The least probable verdict over several time windows.

    `counts` are webhooks by full hour; the last webhook arrived at `last_at`.
    """
    spread = dispersion(counts, now)
    hour = now.replace(minute=0, second=0, microsecond=0)
    windows = [
        (max(last_at, now - timedelta(days=1)), now, 0),
        *((hour - back * HOUR, hour, seen_in(counts, hour - back * HOUR, hour)) for back in (1, 6)),
    ]
    verdicts = [_judged(counts, since, until, seen, spread) for since, until, seen in windows]
    return min(verdicts, key=lambda verdict: verdict.chance)


def _judged(counts: Mapping[datetime, int], since: datetime, until: datetime, seen: int, spread: float) -> Verdict:
    expected = sum(rate(counts, hour) * share for hour, share in hours(since, until))
    return Verdict(since, seen, expected, probability(math.floor(seen / spread), expected / spread))


def seen_in(counts: Mapping[datetime, int], since: datetime, until: datetime) -> int:
    return sum(counts.get(hour, 0) for hour, _ in hours(since, until))


def hours(since: datetime, until: datetime) -> Iterator[tuple[datetime, float]]:
    """The full hours that overlap the period, each with the fraction of it within the period."""
    hour = since.replace(minute=0, second=0, microsecond=0)
    while hour < until:
        part = min(hour + HOUR, until) - max(hour, since)
        yield hour, part / HOUR
        hour += HOUR


def rate(counts: Mapping[datetime, int], hour: datetime) -> float:
    """A low estimate of the webhooks usual in this hour of the day; 0 while there is too little history."""
    lately = sorted(_earlier(counts, hour, range(1, _LATELY + 1)))
    if len(lately) < _LEAST_DAYS:
        return 0.0
    low = float(lately[(len(lately) - 1) // 4])
    weekly = _earlier(counts, hour, _WEEKS)
    return min(low, sum(weekly) / len(weekly)) if len(weekly) >= _LEAST_WEEKS else low


def dispersion(counts: Mapping[datetime, int], now: datetime) -> float:
    """Index of dispersion (variance divided by mean) of the same hour over the days; at least 1."""
    variance = mean = 0.0
    for back in range(1, 25):
        days = _earlier(counts, now.replace(minute=0, second=0, microsecond=0) - back * HOUR, range(_LATELY))
        if len(days) > 1:
            middle = sum(days) / len(days)
            mean += middle
            variance += sum((count - middle) ** 2 for count in days) / (len(days) - 1)
    return max(1.0, variance / mean) if mean else 1.0


def _earlier(counts: Mapping[datetime, int], hour: datetime, days: Sequence[int]) -> list[int]:
    """Counts of the same hour on each of the days before; days before the first count are left out."""
    first = min(counts, default=hour)
    earlier = [hour - timedelta(days=back) for back in days]
    return [counts.get(moment, 0) for moment in earlier if moment >= first]


def probability(seen: int, expected: float) -> float:
    """The probability of seeing `seen` or fewer where `expected` are usual (Poisson)."""
    if expected <= 0 or seen >= expected:
        return 1.0
    # Terms are added from the largest downwards, until they no longer change the sum.
    term = math.exp(seen * math.log(expected) - expected - math.lgamma(seen + 1))
    chance = 0.0
    for count in range(seen, -1, -1):
        chance += term
        if term <= chance * 1e-12:
            break
        term *= count / expected
    return min(1.0, chance)
