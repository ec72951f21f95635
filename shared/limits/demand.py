"""How much is wanted of a limit: what a process tells the others that share it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from shared.canonical.priority import PRIORITIES, Demand, Priority
from shared.limits.priority_queue import Queue

# What was wanted fades instead of falling: a second without a call is no reason to give everything up.
_FADES = 0.6
_NOTHING = 0.002


@dataclass(frozen=True, slots=True)
class Part:
    """What one process may use of a limit. `alone`: nobody else wanted any of it lately."""

    size: float
    alone: bool = False


class Shareable(Protocol):
    """A budget of which several processes each take a part."""

    on_demand: Callable[[], object] | None

    def demand(self) -> Demand: ...
    def take_part(self, part: Part) -> None: ...


class Watch(Protocol):
    """Who hears of calls that have to wait for their turn."""

    def begins(self, priority: Priority) -> None: ...
    def ends(self, priority: Priority, seconds: float) -> None: ...


class Meter:
    """Measures the demand of one budget."""

    def __init__(self, now: float) -> None:
        self.is_quiet = True
        self._asked: dict[Priority, float] = dict.fromkeys(PRIORITIES, 0.0)
        self._demand: dict[Priority, float] = dict.fromkeys(PRIORITIES, 0.0)
        self._at = now

    def ask(self, priority: Priority, cost: float) -> None:
        self._asked[priority] += cost

    def read(self, queue: Queue, per_second: float, now: float) -> Demand:
        """What was wanted since the last reading, and what still waits, as parts of `per_second`."""
        seconds = max(now - self._at, 1.0)
        for name in PRIORITIES:
            waiting = queue.waiting(name)
            wanted = (self._asked[name] + waiting) / seconds / per_second
            faded = max(wanted, self._demand[name] * _FADES)
            self._demand[name] = faded if faded > _NOTHING or waiting else 0.0
            self._asked[name] = 0.0
        self._at = now
        self.is_quiet = not any(self._demand.values())
        return dict(self._demand)
