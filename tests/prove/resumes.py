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

from tests.prove.history import MISSED, Struck

GROUPS = ("transformer-order", "heartland_writer", "transformer-fulfilment", "shopify_writer")
# Which groups feel a fault of this target.
BEHIND: Mapping[str, tuple[str, ...]] = {
    "transformer-order": ("transformer-order",),
    "transformer-fulfilment": ("transformer-fulfilment",),
    "heartland-writer": ("heartland_writer",),
    "shopify-writer": ("shopify_writer",),
    "heartland": ("heartland_writer", "transformer-fulfilment"),
    "shopify": ("transformer-order", "shopify_writer"),
    "broker": GROUPS,
    "database": GROUPS,
}
# At which topic the records come in that these let in.
DOORS: Mapping[str, str] = {
    "ingress": "raw.shopify.order",
    "webhooks": "raw.shopify.order",
    "poller": "raw.heartland.fulfilment",
}
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


def resumes(strikes: Sequence[Struck], work: Work, until: float) -> dict[str, list[float]]:
    """Seconds, by kind, for each fault behind which something waited, of those that ended before `until`.

    After that moment, the end of the load, there may be nothing to come in at the doors.
    """
    found: defaultdict[str, list[float]] = defaultdict(list)
    for strike in strikes:
        healed = _seconds(strike.healed)
        if healed < until and strike.strike != MISSED:
            blocks = [other for other in strikes if other.strike in TOTAL and _touch(other.target, strike.target)]
            spans = [_span(healed, first, blocks) for first in _firsts(strike, healed, work, until)]
            if spans:
                found[strike.strike].append(max(spans))
    return dict(found)


def _firsts(strike: Struck, healed: float, work: Work, until: float) -> Iterator[float]:
    """By partition, when the first record was done with that waited when the fault ended."""
    target = _service(strike.target)
    if target in DOORS:
        arrivals = work.arrivals[DOORS[target]]
        index = bisect_right(arrivals, healed)
        yield arrivals[index] if index < len(arrivals) else until
    for group in BEHIND.get(target, ()):
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


def _touch(one: str, other: str) -> bool:
    """Whether what two targets stand for has work in common."""
    return bool(_feels(_service(one)) & _feels(_service(other)))


def _feels(target: str) -> set[str]:
    if target in ("broker", "database"):
        return {*GROUPS, *DOORS.values()}
    return {*BEHIND.get(target, ()), *([DOORS[target]] if target in DOORS else [])}


def _service(process: str) -> str:
    name, _, replica = process.rpartition("-")
    return name if replica.isdigit() else process


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile; 0 of nothing."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))] if ranked else 0.0
