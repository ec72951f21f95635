"""Divides a limit among the processes that share it, by their demand. Pure.

Live demand is met first in all processes: live work in one takes from the backfill of another. But repair and backfill
keep up to a tenth of the limit each, as within one process. Within a priority, small demands are met in full and large
ones share the rest (max-min fairness). What no process demands is divided evenly.
"""

from __future__ import annotations

from collections.abc import Mapping

from shared.canonical.priority import PRIORITIES, Demand
from shared.limits.demand import LimitShare

# Kept free while several processes use a limit: one that was idle may start with it before the others know its demand.
NEWCOMER = 0.05
_LEAST = 0.1
_SMALLEST = 0.02
# Periods without an exchange after which the others' demand may be missing only because the database was away.
_STALE_PERIODS = 3
Name = str


def share_out(demands: Mapping[Name, Demand]) -> dict[Name, float]:
    """Share of each process that wants any; 1 for a single one. Their sum is never more than 1."""
    wanting = {name: _at_least(demand) for name, demand in demands.items() if any(demand.values())}
    if len(wanting) == 1:
        return dict.fromkeys(wanting, 1.0)
    left = 1.0 - NEWCOMER
    totals = {rank: sum(demand.get(rank, 0.0) for demand in wanting.values()) for rank in PRIORITIES}
    parts = dict.fromkeys(wanting, 0.0)
    for place, rank in enumerate(PRIORITIES):
        kept = sum(min(totals[lower], _LEAST) for lower in PRIORITIES[place + 1 :])
        granted = min(totals[rank], left - kept)
        left -= granted
        for name, part in divide({name: demand.get(rank, 0.0) for name, demand in wanting.items()}, granted).items():
            parts[name] += part
    return {name: part + left / len(parts) for name, part in parts.items()}


def _at_least(demand: Demand) -> Demand:
    """Raise a tiny demand: one call a minute must not wait for a minute's worth of a tiny share."""
    rank = next(name for name in PRIORITIES if demand.get(name, 0.0) > 0)
    return {**demand, rank: max(demand[rank], _SMALLEST)}


def divide(wants: Mapping[Name, float], whole: float) -> dict[Name, float]:
    """Max-min fair division of `whole`: small demands in full, large ones equally of what is left."""
    parts: dict[Name, float] = {}
    for place, name in enumerate(sorted(wants, key=lambda name: wants[name])):
        parts[name] = min(wants[name], whole / (len(wants) - place))
        whole -= parts[name]
    return parts


class ShareNegotiation:
    """Computes this process's share from the demands it reads, so that shares never overlap for long.

    A smaller share takes effect at once. A larger one takes effect only as far as it follows from the demand published
    one exchange ago: by then the others have read it and reduced theirs. A process that is alone need not wait, unless
    its exchange failed: the others may have been cut off too, and may be about to publish what they still use.
    """

    def __init__(self, every_seconds: float) -> None:
        self._every = every_seconds
        self._published: list[Demand] = []
        self._read_at = 0.0
        self._missed = False
        self.share = LimitShare(NEWCOMER)

    def update(self, own: Demand, others: Mapping[Name, Demand], now: float) -> LimitShare:
        """This process's share from now on; `own` is the demand just published."""
        if self._published and self._is_next(now):
            self._missed = False
            if now - self._read_at >= self._every * _STALE_PERIODS:
                self.mark_missed()
        alone = not self._missed and not any(any(demand.values()) for demand in others.values())
        due = _share(own, others)
        size = due if alone or due <= self.share.size else max(self.share.size, min(due, self._agreed(others, now)))
        if not self._published or self._is_next(now):
            self._published, self._read_at = [own], now
        else:
            self._published.append(own)
        self.share = LimitShare(size, alone)
        return self.share

    def reset(self) -> LimitShare:
        """No demand for now: a small share to start with later."""
        self._published = []
        self.share = LimitShare(NEWCOMER)
        return self.share

    def mark_missed(self) -> None:
        """The exchange failed: the others' demand counts as stale until a period after the next success."""
        self._missed = True
        self._published = []

    def _agreed(self, others: Mapping[Name, Demand], now: float) -> float:
        """The share that the others leave us, as far as they have read our demand."""
        if not self._published or not self._is_next(now):
            return NEWCOMER
        return min(_share(demand, others) for demand in self._published)

    def _is_next(self, now: float) -> bool:
        return now - self._read_at >= self._every * 0.9


def _share(own: Demand, others: Mapping[Name, Demand]) -> float:
    return share_out({"": own, **others}).get("", NEWCOMER)
