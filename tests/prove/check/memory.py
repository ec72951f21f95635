"""Memory is flat: each process, from one start to the next, is no larger in its last third than in its middle one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from tests.prove.check.case import Case
from tests.prove.check.report import Violation
from tests.prove.check.road import seconds, service_of

# The sandbox keeps a world of its own, the servers fill their buffers: what counts are the services.
_NOT_OURS = ("sandbox", "broker", "database")
# A process warms up; below this it says nothing of what comes later.
_LONG_ENOUGH_SECONDS = 120.0
# A shorter run kills everything too soon to say anything of memory.
_LONG_RUN_MINUTES = 10
_GROWTH, _SLACK_BYTES = 1.15, 12_000_000


def check(case: Case) -> Iterator[Violation]:
    for (process, pid), samples in generations(case).items():
        if not _is_long(samples):
            continue
        third = len(samples) // 3
        middle, last = (_mean([rss for _, rss in part]) for part in (samples[third : 2 * third], samples[2 * third :]))
        if last > middle * _GROWTH + _SLACK_BYTES:
            text = f"{process} (pid {pid}) grew from {middle / 1e6:.0f} MB to {last / 1e6:.0f} MB"
            yield Violation("grown", text)


def unseen(case: Case) -> list[str]:
    """Services of which no process lived long enough to show whether it grows; none in a run that is too short."""
    lives = generations(case)
    services = {service_of(process) for process, _ in lives}
    seen = {service_of(process) for (process, _), samples in lives.items() if _is_long(samples)}
    return sorted(services - seen) if case.evidence.minutes >= _LONG_RUN_MINUTES else []


def _is_long(samples: Sequence[tuple[float, int]]) -> bool:
    return samples[-1][0] - samples[0][0] >= _LONG_ENOUGH_SECONDS


def generations(case: Case) -> dict[tuple[str, int], list[tuple[float, int]]]:
    """Samples of each process from one start to the next: (when, bytes)."""
    found: defaultdict[tuple[str, int], list[tuple[float, int]]] = defaultdict(list)
    for row in case.memory:
        if row["process"] not in _NOT_OURS:
            found[row["process"], row["pid"]].append((seconds(row["at"]), row["rss"]))
    return found


def _mean(values: Sequence[int]) -> float:
    return sum(values) / len(values)
