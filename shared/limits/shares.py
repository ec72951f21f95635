"""Who may use how much of a limit that several processes share. Pure.

Live demand is met first, wherever it is: live work in one process takes from the backfill of another. But repair and
backfill keep a tenth each of what they want it for, as within one process. Within a class small demands are met in
full and large ones share the rest. What nobody wants is divided evenly, for what comes next.
"""

from __future__ import annotations

from collections.abc import Mapping

from shared.canonical.priority import PRIORITIES, Demand
from shared.limits.demand import Part

# Left free while several use a limit: somebody who was quiet may start with it before the others have heard of it.
NEWCOMER = 0.05
_LEAST = 0.1
_SMALLEST = 0.02
# Periods without a reading after which the others' figures may be missing only because nobody could write them.
_OUT_OF_TOUCH = 3
Name = str


def share_out(demands: Mapping[Name, Demand]) -> dict[Name, float]:
    """The part of each that wants any; 1 where only one does. Together they are never more than the whole."""
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
    """A single call a minute must not wait for a minute's worth of a tiny part."""
    rank = next(name for name in PRIORITIES if demand.get(name, 0.0) > 0)
    return {**demand, rank: max(demand[rank], _SMALLEST)}


def divide(wants: Mapping[Name, float], whole: float) -> dict[Name, float]:
    """The small ones in full, the large ones equally of what is left."""
    parts: dict[Name, float] = {}
    for place, name in enumerate(sorted(wants, key=lambda name: wants[name])):
        parts[name] = min(wants[name], whole / (len(wants) - place))
        whole -= parts[name]
    return parts


class Standing:
    """What one process makes of the demands it reads.

    Less is taken at once. More only as far as it follows from what we told a reading ago: by then the others have
    heard it, and made room. Who is alone need not wait, unless it was out of touch: the others may have been so too,
    and be about to tell again what they still use.
    """

    def __init__(self, every_seconds: float) -> None:
        self._every = every_seconds
        self._told: list[Demand] = []
        self._read_at = 0.0
        self._missed = False
        self.part = Part(NEWCOMER)

    def heard(self, own: Demand, others: Mapping[Name, Demand], now: float) -> Part:
        """Our part from now on: `own` is what we just told."""
        if self._told and self._is_next(now):
            self._missed = False
            if now - self._read_at >= self._every * _OUT_OF_TOUCH:
                self.missed()
        alone = not self._missed and not any(any(demand.values()) for demand in others.values())
        due = _part(own, others)
        size = due if alone or due <= self.part.size else max(self.part.size, min(due, self._agreed(others, now)))
        if not self._told or self._is_next(now):
            self._told, self._read_at = [own], now
        else:
            self._told.append(own)
        self.part = Part(size, alone)
        return self.part

    def quiet(self) -> Part:
        """We want nothing for now, and may start anew with little."""
        self._told = []
        self.part = Part(NEWCOMER)
        return self.part

    def missed(self) -> None:
        """What we want could not be told: until a period after the next reading we are out of touch."""
        self._missed = True
        self._told = []

    def _agreed(self, others: Mapping[Name, Demand], now: float) -> float:
        """What the others leave us, as far as they have heard of us."""
        if not self._told or not self._is_next(now):
            return NEWCOMER
        return min(_part(told, others) for told in self._told)

    def _is_next(self, now: float) -> bool:
        return now - self._read_at >= self._every * 0.9


def _part(own: Demand, others: Mapping[Name, Demand]) -> float:
    return share_out({"": own, **others}).get("", NEWCOMER)
