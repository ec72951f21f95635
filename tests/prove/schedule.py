"""Schedules the faults of a run. Pure: the same random source gives the same schedule.

Faults come in rounds of a minute, overlapping, with exponentially distributed gaps. Each round ends with a quiet
period without faults, in which the recovery time can be measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from random import Random
from typing import Final

TEN_MINUTES: Final = 600.0
ROUND_SECONDS: Final = 60.0
QUIET_SECONDS: Final = 16.0
# The quiet period is at least this long, whatever fault was active when it began.
_MIN_QUIET_SECONDS: Final = 10.0

PROXIES: Final = ("broker", "database", "heartland", "shopify", "webhooks")
VENDORS: Final = ("heartland", "shopify")


@dataclass(frozen=True, slots=True)
class PlannedFault:
    """`at` and for how many `seconds`, from the start of the load."""

    at: float
    kind: str
    target: str
    seconds: float


@dataclass(frozen=True, slots=True)
class FaultKind:
    """Times per ten minutes, shortest and longest duration, and targets; without targets see `_targets`."""

    times: float
    seconds: tuple[float, float] = (0.0, 0.0)
    targets: tuple[str, ...] = ()


# A stopped process outlasts its session (6 s): its partitions are reassigned without its knowing.
FAULT_KINDS: Final[Mapping[str, FaultKind]] = {
    "kill": FaultKind(6),  # of each service
    "stop": FaultKind(6, (9.0, 10.0)),
    "roll": FaultKind(4),
    "broker": FaultKind(3, (0.0, 2.0), ("broker",)),
    "database": FaultKind(3, (0.0, 3.0), ("database",)),
    "cut": FaultKind(6, (3.0, 8.0), PROXIES),
    "slow": FaultKind(5, (6.0, 12.0), PROXIES),
    "lost_replies": FaultKind(5, (3.0, 6.0), PROXIES[:4]),
    "throttle": FaultKind(3, (6.0, 10.0), VENDORS),
    "error_before": FaultKind(3, (6.0, 12.0), VENDORS),
    "error_after": FaultKind(4, (8.0, 15.0), VENDORS),
    "timeout_after": FaultKind(4, (8.0, 15.0), VENDORS),
    "stale": FaultKind(4, (8.0, 15.0), VENDORS),
    "garbage": FaultKind(3, (6.0, 12.0), VENDORS),
    "html": FaultKind(3, (6.0, 12.0), VENDORS),
    "token": FaultKind(3, (0.0, 0.0), ("shopify",)),
    "outage": FaultKind(1, (0.1 * TEN_MINUTES, 0.1 * TEN_MINUTES), VENDORS),
}


def schedule(
    random: Random, seconds: float, kinds: Sequence[str], services: Mapping[str, Sequence[str]]
) -> list[PlannedFault]:
    """The faults within `seconds`, in order of time. `services` maps each service to the names of its processes.

    Every kind comes at least once and every service is killed at least five times in ten minutes; a short run has
    proportionally fewer, and its outage is shorter.
    """
    chosen = [pair for kind in kinds for pair in _targets(random, kind, seconds, services)]
    random.shuffle(chosen)
    moments = sorted(_moments(random, len(chosen), seconds))
    faults = [
        PlannedFault(at, kind, target, _length(random, kind, at, seconds))
        for at, (kind, target) in zip(moments, chosen, strict=True)
    ]
    return sorted(faults, key=lambda fault: fault.at)


def _targets(
    random: Random, kind: str, seconds: float, services: Mapping[str, Sequence[str]]
) -> Iterator[tuple[str, str]]:
    times = max(1, ceil(FAULT_KINDS[kind].times * seconds / TEN_MINUTES))
    if kind == "kill":
        for processes in services.values():
            first = random.randrange(len(processes))
            yield from ((kind, processes[(first + n) % len(processes)]) for n in range(times))
        return
    everything = [process for processes in services.values() for process in processes]
    targets = FAULT_KINDS[kind].targets or (tuple(services) if kind == "roll" else tuple(everything))
    shuffled = random.sample(targets, len(targets))
    yield from ((kind, shuffled[n % len(shuffled)]) for n in range(times))


def _moments(random: Random, count: int, seconds: float) -> Iterator[float]:
    """Start times with exponential gaps, outside the quiet periods."""
    gaps = [random.expovariate(1.0) for _ in range(count + 1)]
    share = _usable(seconds) / sum(gaps)
    passed = 0.0
    for gap in gaps[:count]:
        passed += gap * share
        rounds, within = divmod(passed, ROUND_SECONDS - QUIET_SECONDS)
        yield rounds * ROUND_SECONDS + within


def _usable(seconds: float) -> float:
    rounds, rest = divmod(seconds, ROUND_SECONDS)
    each = ROUND_SECONDS - QUIET_SECONDS
    return rounds * each + min(rest, each)


def _length(random: Random, kind: str, at: float, seconds: float) -> float:
    length = random.uniform(*FAULT_KINDS[kind].seconds)
    if kind == "outage":
        return length * seconds / TEN_MINUTES
    until_quiet = ROUND_SECONDS - _MIN_QUIET_SECONDS - at % ROUND_SECONDS
    # A stop that does not outlast the session timeout is no fault.
    return length if kind == "stop" else min(length, max(until_quiet, 1.0))
