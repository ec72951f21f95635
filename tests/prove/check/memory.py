"""Guarantee: memory stays flat. From start to end, a process is no larger in the last third than in the middle one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from tests.prove.check.report import Violation
from tests.prove.check.run_data import RunData
from tests.prove.check.topic_data import seconds, service_of

# The sandbox keeps every record in memory, and the servers fill their buffers: only the services are checked.
_IGNORED = ("sandbox", "broker", "database")
# A process that runs for a shorter time is still warming up.
_LONG_ENOUGH_SECONDS = 120.0
# In a shorter run every process is killed too soon to judge its memory.
_LONG_RUN_MINUTES = 10
_GROWTH, _SLACK_BYTES = 1.15, 12_000_000


def check(data: RunData) -> Iterator[Violation]:
    for (process, pid), samples in samples_by_process(data).items():
        if not _is_long(samples):
            continue
        third = len(samples) // 3
        middle, last = (_mean([rss for _, rss in part]) for part in (samples[third : 2 * third], samples[2 * third :]))
        if last > middle * _GROWTH + _SLACK_BYTES:
            text = f"{process} (pid {pid}) grew from {middle / 1e6:.0f} MB to {last / 1e6:.0f} MB"
            yield Violation("memory_growth", text)


def without_long_lived_process(data: RunData) -> list[str]:
    """Services without a process that ran long enough to judge; none if the run itself is too short."""
    by_process = samples_by_process(data)
    services = {service_of(process) for process, _ in by_process}
    judged = {service_of(process) for (process, _), samples in by_process.items() if _is_long(samples)}
    return sorted(services - judged) if data.evidence.minutes >= _LONG_RUN_MINUTES else []


def _is_long(samples: Sequence[tuple[float, int]]) -> bool:
    return samples[-1][0] - samples[0][0] >= _LONG_ENOUGH_SECONDS


def samples_by_process(data: RunData) -> dict[tuple[str, int], list[tuple[float, int]]]:
    """By process and pid: samples of (seconds, bytes)."""
    found: defaultdict[tuple[str, int], list[tuple[float, int]]] = defaultdict(list)
    for row in data.memory:
        if row["process"] not in _IGNORED:
            found[row["process"], row["pid"]].append((seconds(row["at"]), row["rss"]))
    return found


def _mean(values: Sequence[int]) -> float:
    return sum(values) / len(values)
