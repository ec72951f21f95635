"""Priority queue of requests that wait for a limit, without starvation. Pure.

Live goes before repair, repair before backfill. But a priority that waits gets at least a tenth of what is granted;
live work keeps at least eight tenths.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from shared.canonical.priority import PRIORITIES, Priority

# After others were granted this many times its cost, a waiting priority is due. Two may become due at once; the second
# waits for one more grant and still gets its tenth.
MAX_PASSES = 8


@dataclass(slots=True, eq=False)
class Waiter:
    """One waiting request; `turn` is done when it may proceed."""

    priority: Priority
    cost: float
    turn: asyncio.Future[None]


class PriorityQueue:
    """One queue per priority. `head` is the next waiter, `serve` removes and releases it."""

    def __init__(self) -> None:
        self._waiting: dict[Priority, deque[Waiter]] = {name: deque() for name in PRIORITIES}
        self._passed: dict[Priority, float] = dict.fromkeys(PRIORITIES, 0.0)
        self._count = 0

    def add(self, priority: Priority, turn: asyncio.Future[None], cost: float = 1.0) -> None:
        self._waiting[priority].append(Waiter(priority, cost, turn))
        self._count += 1

    def head(self) -> Waiter | None:
        """The next waiter; cancelled ones are dropped."""
        present = self._present()
        if not present:
            return None
        return self._waiting[self._due(present) or present[0]][0]

    def is_due(self, waiter: Waiter) -> bool:
        """Whether this waiter is next because its priority was passed over often enough."""
        return self._due(self._present()) == waiter.priority

    def serve(self, waiter: Waiter) -> None:
        """Remove the head and let it proceed."""
        present = self._present()
        for name in PRIORITIES:
            passed_over = name in present and name != waiter.priority
            self._passed[name] = self._passed[name] + waiter.cost if passed_over else 0.0
        self._waiting[waiter.priority].popleft()
        self._count -= 1
        waiter.turn.set_result(None)

    def waiting(self, priority: Priority) -> float:
        """Total cost waiting at this priority."""
        return sum(waiter.cost for waiter in self._waiting[priority] if not waiter.turn.done())

    @property
    def is_empty(self) -> bool:
        return self._count == 0 or not self._present()

    def _present(self) -> list[Priority]:
        for line in self._waiting.values():
            while line and line[0].turn.done():
                line.popleft()
                self._count -= 1
        return [name for name in PRIORITIES if self._waiting[name]]

    def _due(self, present: list[Priority]) -> Priority | None:
        def overdue(name: Priority) -> float:
            return self._passed[name] / max(self._waiting[name][0].cost, 1e-9)

        longest = max(present, key=overdue, default=None)
        return longest if longest is not None and overdue(longest) >= MAX_PASSES else None
