"""Demand for a shared limit: how much of it a process wants, measured per priority."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from shared.canonical.priority import PRIORITIES, Demand, Priority
from shared.limits.priority_queue import PriorityQueue

# Demand decays instead of dropping: a second without a call is no reason to give up the whole share.
_DECAY = 0.6
_NEGLIGIBLE = 0.002


@dataclass(frozen=True, slots=True)
class LimitShare:
    """The fraction of a limit that one process may use. `alone`: no other process wanted any of it lately."""

    size: float
    alone: bool = False


class SharedLimit(Protocol):
    """A limit that several processes share; `on_demand` is called when demand begins after a quiet time."""

    on_demand: Callable[[], object] | None

    def demand(self) -> Demand: ...
    def take_share(self, share: LimitShare) -> None: ...


class WaitObserver(Protocol):
    """Observes requests that wait for a limit."""

    def wait_started(self, priority: Priority) -> None: ...
    def wait_ended(self, priority: Priority, seconds: float) -> None: ...


class DemandMeter:
    """Measures the demand for one limit."""

    def __init__(self, now: float) -> None:
        self.is_quiet = True
        self._asked: dict[Priority, float] = dict.fromkeys(PRIORITIES, 0.0)
        self._demand: dict[Priority, float] = dict.fromkeys(PRIORITIES, 0.0)
        self._at = now

    def ask(self, priority: Priority, cost: float) -> None:
        self._asked[priority] += cost

    def read(self, queue: PriorityQueue, per_second: float, now: float) -> Demand:
        """Demand since the last reading plus what is still waiting, as fractions of `per_second`."""
        seconds = max(now - self._at, 1.0)
        for name in PRIORITIES:
            waiting = queue.waiting(name)
            wanted = (self._asked[name] + waiting) / seconds / per_second
            decayed = max(wanted, self._demand[name] * _DECAY)
            self._demand[name] = decayed if decayed > _NEGLIGIBLE or waiting else 0.0
            self._asked[name] = 0.0
        self._at = now
        self.is_quiet = not any(self._demand.values())
        return dict(self._demand)
