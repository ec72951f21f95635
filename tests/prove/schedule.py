"""Which fault strikes when. Pure: the same randomness gives the same schedule.

Faults come in rounds of a minute, with exponential gaps and overlapping each other; each round ends with a breath, so
that it can be seen how fast the system is back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from random import Random
from typing import Final

TEN_MINUTES: Final = 600.0
ROUND_SECONDS: Final = 60.0
BREATH_SECONDS: Final = 16.0
# A breath is at least this long, whatever still struck when it began.
_REST_SECONDS: Final = 10.0

LINES: Final = ("broker", "database", "heartland", "shopify", "webhooks")
VENDORS: Final = ("heartland", "shopify")


@dataclass(frozen=True, slots=True)
class Strike:
    """`at` and for how many `seconds`, from the start of the load."""

    at: float
    kind: str
    target: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Kind:
    """How often in ten minutes, for how long, and at what; no targets: at a process or a service, see `_targets`."""

    times: float
    seconds: tuple[float, float] = (0.0, 0.0)
    targets: tuple[str, ...] = ()


# A process that is stopped for longer than the session (6 s) is replaced, and knows nothing of it when it goes on.
KINDS: Final[Mapping[str, Kind]] = {
    "kill": Kind(6),  # of each service
    "stop": Kind(6, (9.0, 10.0)),
    "roll": Kind(4),
    "broker": Kind(3, (0.0, 2.0), ("broker",)),
    "database": Kind(3, (0.0, 3.0), ("database",)),
    "cut": Kind(6, (3.0, 8.0), LINES),
    "slow": Kind(5, (6.0, 12.0), LINES),
    "lost_replies": Kind(5, (3.0, 6.0), LINES[:4]),
    "throttle": Kind(3, (6.0, 10.0), VENDORS),
    "error_before": Kind(3, (6.0, 12.0), VENDORS),
    "error_after": Kind(4, (8.0, 15.0), VENDORS),
    "timeout_after": Kind(4, (8.0, 15.0), VENDORS),
    "stale": Kind(4, (8.0, 15.0), VENDORS),
    "garbage": Kind(3, (6.0, 12.0), VENDORS),
    "html": Kind(3, (6.0, 12.0), VENDORS),
    "token": Kind(3, (0.0, 0.0), ("shopify",)),
    "outage": Kind(1, (0.1 * TEN_MINUTES, 0.1 * TEN_MINUTES), VENDORS),
}


def schedule(
    random: Random, seconds: float, kinds: Sequence[str], services: Mapping[str, Sequence[str]]
) -> list[Strike]:
    """The strikes within `seconds`, in order. `services` has the names of each service's processes.

    Every kind strikes at least once, every service is killed at least five times in ten minutes; a short run has
    proportionally fewer, and its outage is shorter.
    """
    chosen = [pair for kind in kinds for pair in _targets(random, kind, seconds, services)]
    random.shuffle(chosen)
    moments = sorted(_moments(random, len(chosen), seconds))
    strikes = [
        Strike(at, kind, target, _length(random, kind, at, seconds))
        for at, (kind, target) in zip(moments, chosen, strict=True)
    ]
    return sorted(strikes, key=lambda strike: strike.at)


def _targets(
    random: Random, kind: str, seconds: float, services: Mapping[str, Sequence[str]]
) -> Iterator[tuple[str, str]]:
    times = max(1, ceil(KINDS[kind].times * seconds / TEN_MINUTES))
    if kind == "kill":
        for processes in services.values():
            first = random.randrange(len(processes))
            yield from ((kind, processes[(first + n) % len(processes)]) for n in range(times))
        return
    everything = [process for processes in services.values() for process in processes]
    targets = KINDS[kind].targets or (tuple(services) if kind == "roll" else tuple(everything))
    shuffled = random.sample(targets, len(targets))
    yield from ((kind, shuffled[n % len(shuffled)]) for n in range(times))


def _moments(random: Random, count: int, seconds: float) -> Iterator[float]:
    """Exponential gaps over the time that breaths leave."""
    gaps = [random.expovariate(1.0) for _ in range(count + 1)]
    share = _usable(seconds) / sum(gaps)
    passed = 0.0
    for gap in gaps[:count]:
        passed += gap * share
        rounds, within = divmod(passed, ROUND_SECONDS - BREATH_SECONDS)
        yield rounds * ROUND_SECONDS + within


def _usable(seconds: float) -> float:
    rounds, rest = divmod(seconds, ROUND_SECONDS)
    each = ROUND_SECONDS - BREATH_SECONDS
    return rounds * each + min(rest, each)


def _length(random: Random, kind: str, at: float, seconds: float) -> float:
    wish = random.uniform(*KINDS[kind].seconds)
    if kind == "outage":
        return wish * seconds / TEN_MINUTES
    until_rest = ROUND_SECONDS - _REST_SECONDS - at % ROUND_SECONDS
    # A stop must outlast the session, or it is none.
    return wish if kind == "stop" else min(wish, max(until_rest, 1.0))
