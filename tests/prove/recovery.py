"""Measures the recovery time after each fault, from the history and the topics. Pure.

The recovery time of a consumer group is that of its slowest partition: from the end of the fault until the first record
that was waiting there is finished. So a process that hangs is seen although its replica continues. For an entry point
(ingress, poller) it is the time until the next record arrives.

If another fault that blocks all work is still active (an outage while a killed process restarts), the measurement
begins at the end of that fault. A fault that merely hinders the same work (errors of the same vendor, a slow broker)
makes a recovery overlapped: its length then depends on that fault, and it is told apart.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tests.prove.check.entities import ENTITIES
from tests.prove.check.entity import Entity, stages_of
from tests.prove.check.topic_data import service_of
from tests.prove.history import MISSED, InjectedFault

# Targets that every group depends on.
SHARED = ("broker", "database")
# Faults during which nothing gets through.
BLOCKING = ("outage", "broker", "database", "cut", "lost_replies")


@dataclass
class ProcessingTimes:
    """Arrival and first completion of each record, in seconds, by group and partition; parking may count as completion.

    `arrivals` are the times of a topic's records, in order.
    """

    records: defaultdict[str, defaultdict[tuple[str, int], list[tuple[float, float]]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    arrivals: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))


@dataclass(frozen=True)
class BlastRadius:
    """What a fault affects: by target, the consumer `groups` and the topics that are fed by its `entry_points`."""

    groups: Mapping[str, Sequence[str]]
    entry_points: Mapping[str, Sequence[str]]

    def of(self, process: str) -> set[str]:
        """The groups and topics that a fault at this process affects."""
        target = service_of(process)
        entry_points = self.entry_points.values() if target in SHARED else [self.entry_points.get(target, ())]
        return {*self.groups.get(target, ()), *(topic for topics in entry_points for topic in topics)}


def blast_radius(entities: Sequence[Entity]) -> BlastRadius:
    groups: defaultdict[str, list[str]] = defaultdict(list)
    entry_points: defaultdict[str, list[str]] = defaultdict(list)
    for stage in stages_of(entities):
        for target in (stage.process, *stage.vendors, *SHARED):
            groups[target].append(stage.group)
    for entity in entities:
        for entry_point, topic in entity.entry_points.items():
            entry_points[entry_point].append(topic)
    return BlastRadius({target: tuple(dict.fromkeys(names)) for target, names in groups.items()}, entry_points)


def recovery_times(
    faults: Sequence[InjectedFault], times: ProcessingTimes, until: float, entities: Sequence[Entity] = ENTITIES
) -> dict[str, list[float]]:
    """Recovery times in seconds, by kind of fault, for each fault with waiting work that ended before `until`.

    `until` is the end of the load: after it, nothing may arrive at the entry points.
    """
    found: defaultdict[str, list[float]] = defaultdict(list)
    for recovery in recoveries(faults, times, until, entities):
        found[recovery.fault.fault].append(recovery.seconds)
    return dict(found)


@dataclass(frozen=True)
class Recovery:
    """One measured recovery. `overlapped`: another fault affected the same work before it resumed."""

    fault: InjectedFault
    seconds: float
    overlapped: bool


def recoveries(
    faults: Sequence[InjectedFault], times: ProcessingTimes, until: float, entities: Sequence[Entity] = ENTITIES
) -> Iterator[Recovery]:
    """See `recovery_times`."""
    blast = blast_radius(entities)
    for fault in faults:
        healed = _seconds(fault.healed)
        if healed < until and fault.fault != MISSED:
            affected = blast.of(fault.target)
            others = [other for other in faults if other is not fault and blast.of(other.target) & affected]
            blocking = [other for other in faults if other.fault in BLOCKING and blast.of(other.target) & affected]
            firsts = list(_first_completions(blast, fault, healed, times, until))
            if firsts:
                seconds = max(_recovery_time(healed, first, blocking) for first in firsts)
                yield Recovery(fault, seconds, any(_overlaps(other, healed, max(firsts)) for other in others))


def _overlaps(other: InjectedFault, healed: float, resumed: float) -> bool:
    """Whether another fault was active between the end of the fault and the moment when work resumed."""
    return _seconds(other.began) < resumed and _seconds(other.healed) > healed


def _first_completions(
    blast: BlastRadius, fault: InjectedFault, healed: float, times: ProcessingTimes, until: float
) -> Iterator[float]:
    """For each partition, when the first record that waited at the end of the fault was finished."""
    target = service_of(fault.target)
    if target in blast.entry_points:
        arrivals = sorted(moment for topic in blast.entry_points[target] for moment in times.arrivals[topic])
        index = bisect_right(arrivals, healed)
        yield arrivals[index] if index < len(arrivals) else until
    for group in blast.groups.get(target, ()):
        for records in times.records[group].values():
            waiting = [done for arrived, done in records if arrived <= healed < done]
            if waiting:
                yield min(waiting)


def _recovery_time(healed: float, first: float, blocking: Sequence[InjectedFault]) -> float:
    """From the end of the fault, or of a blocking fault that lasted longer."""
    begin = healed
    for block in sorted(blocking, key=lambda one: one.began):
        began, ended = _seconds(block.began), _seconds(block.healed)
        if began <= first and ended > begin:
            begin = min(ended, first)
    return first - begin


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile; 0 for no values."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))] if ranked else 0.0
