"""How fast the system is back at work after each fault, from the history and the vendors' journals. Pure.

Measured is the time from the end of a fault to the next write that a vendor receives on the side where the fault was:
`heartland` gets the orders, `shopify` the shipments. A fault that stops a whole side and ends later (an outage while
a killed process comes back) moves the beginning to its own end.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from tests.prove.history import Struck

BOTH = ("heartland", "shopify")
# Where a target's work shows; all others show on both sides.
SIDES: Mapping[str, tuple[str, ...]] = {
    "ingress": ("heartland",),
    "webhooks": ("heartland",),
    "transformer-order": ("heartland",),
    "heartland-writer": ("heartland",),
    "poller": ("shopify",),
    "transformer-fulfilment": ("shopify",),
    "shopify-writer": ("shopify",),
}
# Nothing at all gets through while these last.
TOTAL = ("outage", "broker", "database", "cut", "lost_replies")
# These are no outages: work goes on through them, only slower.
_UNSEEN = ("stale", "token")


def resumes(strikes: Sequence[Struck], writes: Mapping[str, Sequence[datetime]], until: datetime) -> list[float]:
    """Seconds for each fault that ended before `until` (the end of the load, when there may be nothing to do).

    `writes` are the times of the writes by vendor, in order.
    """
    found = []
    for strike in strikes:
        healed = datetime.fromisoformat(strike.healed)
        if strike.strike in _UNSEEN or strike.target == "journal" or healed >= until:
            continue
        spans = [_seconds(side, healed, strikes, writes[side], until) for side in _sides(strike.target)]
        found += [span for span in spans if span is not None]
    return found


def _seconds(
    side: str, healed: datetime, strikes: Iterable[Struck], writes: Sequence[datetime], until: datetime
) -> float | None:
    blocks = [
        (datetime.fromisoformat(other.began), datetime.fromisoformat(other.healed))
        for other in strikes
        if other.strike in TOTAL and side in _sides(other.target)
    ]
    begin, before = healed, None
    while begin != before:
        before, following = begin, _next(writes, begin)
        later = [end for start, end in blocks if start <= (following or until) and end > begin]
        begin = min(later, default=begin)
    if begin >= until:
        return None
    following = _next(writes, begin)
    return ((following or until) - begin).total_seconds()


def _next(writes: Sequence[datetime], moment: datetime) -> datetime | None:
    index = bisect_right(writes, moment)
    return writes[index] if index < len(writes) else None


def _sides(target: str) -> tuple[str, ...]:
    name, _, replica = target.rpartition("-")
    return SIDES.get(name if replica.isdigit() else target, BOTH)


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile; 0 of nothing."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))] if ranked else 0.0
