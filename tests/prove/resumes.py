"""How fast the system is back at work after each fault, from the history and the topics. Pure.

Measured is how long the slowest partition takes: from the end of a fault to the moment when the first of the records
that waited behind it there is done with. So a process that hangs shows, though its twin goes on. Behind the doors
(ingress, poller) it is the time to the next record that comes in.

A fault that stops everything behind it and is still there by then (an outage while a killed process comes back) moves
the beginning to its own end.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tests.prove.check.entities import ENTITIES
from tests.prove.check.entity import Entity, steps_of
from tests.prove.history import MISSED, Struck

# What everything depends on.
EVERYWHERE = ("broker", "database")
# Nothing at all gets through while these last.
TOTAL = ("outage", "broker", "database", "cut", "lost_replies")


@dataclass
class Work:
    """When each record came in and was first done with (or durably set aside), in seconds, by group and partition.

    `arrivals` are the times of a topic's records, in order.
    """

    records: defaultdict[str, defaultdict[tuple[str, int], list[tuple[float, float]]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    arrivals: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))


@dataclass(frozen=True)
class Reach:
    """What a fault reaches: by target, the `groups` that feel it, and the topics behind the `doors`."""

    groups: Mapping[str, Sequence[str]]
    doors: Mapping[str, Sequence[str]]

    def of(self, process: str) -> set[str]:
        """Groups and topics."""
        target = _service(process)
        doors = self.doors.values() if target in EVERYWHERE else [self.doors.get(target, ())]
        return {*self.groups.get(target, ()), *(topic for topics in doors for topic in topics)}


def reach(entities: Sequence[Entity]) -> Reach:
    groups: defaultdict[str, list[str]] = defaultdict(list)
    doors: defaultdict[str, list[str]] = defaultdict(list)
    for step in steps_of(entities):
        for target in (step.process, *step.vendors, *EVERYWHERE):
            groups[target].append(step.group)
    for entity in entities:
        for door, topic in entity.doors.items():
            doors[door].append(topic)
    return Reach({target: tuple(dict.fromkeys(names)) for target, names in groups.items()}, doors)


def resumes(
    strikes: Sequence[Struck], work: Work, until: float, entities: Sequence[Entity] = ENTITIES
) -> dict[str, list[float]]:
    """Seconds, by kind, for each fault behind which something waited, of those that ended before `until`.

    After that moment, the end of the load, there may be nothing to come in at the doors.
    """
    reaches = reach(entities)
    found: defaultdict[str, list[float]] = defaultdict(list)
    for strike in strikes:
        healed = _seconds(strike.healed)
        if healed < until and strike.strike != MISSED:
            felt = reaches.of(strike.target)
            blocks = [other for other in strikes if other.strike in TOTAL and reaches.of(other.target) & felt]
            spans = [_span(healed, first, blocks) for first in _firsts(reaches, strike, healed, work, until)]
            if spans:
                found[strike.strike].append(max(spans))
    return dict(found)


def _firsts(reaches: Reach, strike: Struck, healed: float, work: Work, until: float) -> Iterator[float]:
    """By partition, when the first record was done with that waited when the fault ended."""
    target = _service(strike.target)
    if target in reaches.doors:
        arrivals = sorted(moment for topic in reaches.doors[target] for moment in work.arrivals[topic])
        index = bisect_right(arrivals, healed)
        yield arrivals[index] if index < len(arrivals) else until
    for group in reaches.groups.get(target, ()):
        for records in work.records[group].values():
            waiting = [done for arrived, done in records if arrived <= healed < done]
            if waiting:
                yield min(waiting)


def _span(healed: float, first: float, blocks: Sequence[Struck]) -> float:
    """From the fault's end, or from that of a total fault which lasted longer."""
    begin = healed
    for block in sorted(blocks, key=lambda one: one.began):
        began, ended = _seconds(block.began), _seconds(block.healed)
        if began <= first and ended > begin:
            begin = min(ended, first)
    return first - begin


def _service(process: str) -> str:
    name, _, replica = process.rpartition("-")
    return name if replica.isdigit() else process


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile; 0 of nothing."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))] if ranked else 0.0
