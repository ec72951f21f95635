"""Rate limits as a budget: calls wait here, in the order of their worth, so that the vendor has nothing to refuse.

Live work goes before repair, repair before backfill. But a class that waits gets at least one of any ten grants in a
row, so that nothing starves: live work keeps at least eight of ten.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from shared.runtime.clock import Clock

Priority = Literal["live", "repair", "backfill"]
PRIORITIES: tuple[Priority, ...] = ("live", "repair", "backfill")


def most_urgent(priorities: Iterable[Priority]) -> Priority:
    """The first of them in the order of worth; live where there is none."""
    return min(priorities, key=PRIORITIES.index, default="live")


# Then it is a waiting class's turn. Two may reach it at once; the second is passed over once more, and has its tenth.
MOST_PASSES = 8


class Queue:
    """Who waits, and whose turn it is. Pure."""

    def __init__(self) -> None:
        self._waiting: dict[Priority, deque[asyncio.Future[None]]] = {name: deque() for name in PRIORITIES}
        self._passed: dict[Priority, int] = dict.fromkeys(PRIORITIES, 0)
        self._count = 0

    def add(self, priority: Priority, future: asyncio.Future[None]) -> None:
        self._waiting[priority].append(future)
        self._count += 1

    def next(self) -> asyncio.Future[None] | None:
        """Take the one whose turn it is; those who gave up are dropped."""
        for queue in self._waiting.values():
            while queue and queue[0].done():
                queue.popleft()
                self._count -= 1
        present = [name for name in PRIORITIES if self._waiting[name]]
        if not present:
            return None
        longest = max(present, key=lambda name: self._passed[name])
        chosen = longest if self._passed[longest] >= MOST_PASSES else present[0]
        for name in PRIORITIES:
            self._passed[name] = self._passed[name] + 1 if name in present and name != chosen else 0
        self._count -= 1
        return self._waiting[chosen].popleft()

    @property
    def is_empty(self) -> bool:
        return self._count == 0 or not any(not one.done() for queue in self._waiting.values() for one in queue)


class RequestBudget:
    """At most `per_second` calls a second with bursts of `burst`, and `max_in_flight` at a time; 0 lifts a limit."""

    def __init__(self, per_second: float, burst: int, max_in_flight: int, clock: Clock) -> None:
        self._rate = per_second
        self._burst = max(1, burst)
        self._most = max_in_flight
        self._clock = clock
        self._tokens = float(self._burst)
        self._at = clock.monotonic()
        self._in_flight = 0
        self._queue = Queue()
        self._timer: asyncio.TimerHandle | None = None

    def slot(self, priority: Priority = "live") -> Slot:
        """`async with budget.slot():` waits for a turn; the place is free again on leaving."""
        return Slot(self, priority)

    async def enter(self, priority: Priority = "live") -> None:
        """Wait for a turn. Whoever got one must `leave`."""
        if self._queue.is_empty and self._take():
            return
        await self._turn(priority)

    def leave(self) -> None:
        """The call has ended."""
        self._in_flight -= 1
        if not self._queue.is_empty:
            self._grant()

    async def _turn(self, priority: Priority) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.add(priority, future)
        self._grant()
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                # Granted and cancelled in the same breath: no call was made, the token is as good as new.
                self._in_flight -= 1
                self._tokens = min(self._burst, self._tokens + 1)
                self._grant()
            raise

    def _is_full(self) -> bool:
        return 0 < self._most <= self._in_flight

    def _take(self) -> bool:
        if self._is_full():
            return False
        if self._rate > 0:
            self._refill()
            # Sums of fractions miss a whole by a hair; a hair is no call too many.
            if self._tokens < 1 - 1e-9:
                return False
            self._tokens -= 1
        self._in_flight += 1
        return True

    def _refill(self) -> None:
        now = self._clock.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now

    def _grant(self) -> None:
        while not self._queue.is_empty:
            if not self._take():
                self._wake_later()
                return
            future = self._queue.next()
            if future is None:
                self._in_flight -= 1
                self._tokens = min(self._burst, self._tokens + 1)
                return
            future.set_result(None)

    def _wake_later(self) -> None:
        if self._timer is not None or self._is_full():
            return  # a call that ends will look again
        wait = max(0.001, (1 - self._tokens) / self._rate)
        self._timer = asyncio.get_running_loop().call_later(wait, self._woken)

    def _woken(self) -> None:
        self._timer = None
        self._grant()


class Slot:
    """A place in a RequestBudget, for the time of one call."""

    __slots__ = ("_budget", "_priority")

    def __init__(self, budget: RequestBudget, priority: Priority) -> None:
        self._budget = budget
        self._priority = priority

    async def __aenter__(self) -> None:
        await self._budget.enter(self._priority)

    async def __aexit__(self, *error: object) -> None:
        self._budget.leave()


class CostBudget:
    """Shopify's bucket of query points, learnt from its replies: `restore_rate` points a second up to `maximum`."""

    def __init__(self, clock: Clock, maximum: float = 1000, restore_rate: float = 50) -> None:
        self._clock = clock
        self._maximum = maximum
        self._rate = restore_rate
        self._available = maximum
        self._at = clock.monotonic()
        self._waiting: deque[tuple[float, asyncio.Future[None]]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def available(self) -> float:
        """Points that can be spent now, as far as is known."""
        self._refill()
        return self._available

    async def reserve(self, cost: float, priority: Priority = "live") -> None:
        """Wait until `cost` points are there and take them, first come first served. More than can be there is all."""
        if not self._waiting and self._take(cost):
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((cost, future))
        self._grant()
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():  # granted and cancelled in the same breath
                self._available = min(self._maximum, self._available + min(cost, self._maximum))
            self._grant()  # whoever stood behind may need less
            raise

    def learn(self, throttle_status: Mapping[str, Any], requested: float, actual: float | None) -> None:
        """Take over what a reply says of the bucket. `actual` None: it was throttled, nothing was spent."""
        self._refill()
        maximum = float(throttle_status.get("maximumAvailable") or self._maximum)
        # A bucket larger than was believed has also been fuller.
        self._available += max(0.0, maximum - self._maximum)
        self._maximum = maximum
        self._rate = float(throttle_status.get("restoreRate") or self._rate)
        # The reply knows what is in the bucket now. Calls still on their way have not been taken off there yet, so
        # the lower figure is the safe one; what this call did not use comes back to us.
        returned = max(0.0, requested - actual) if actual is not None else 0.0
        ours = min(self._maximum, self._available + returned)
        self._available = min(ours, float(throttle_status.get("currentlyAvailable", ours)))
        if self._timer is not None:  # it was set by what was known before
            self._timer.cancel()
            self._timer = None
        self._grant()

    def _refill(self) -> None:
        now = self._clock.monotonic()
        self._available = min(self._maximum, self._available + (now - self._at) * self._rate)
        self._at = now

    def _take(self, cost: float) -> bool:
        self._refill()
        wanted = min(cost, self._maximum)
        if self._available < wanted - 1e-9:
            return False
        self._available -= wanted
        return True

    def _grant(self) -> None:
        while self._waiting:
            cost, future = self._waiting[0]
            if future.done():
                self._waiting.popleft()
            elif self._take(cost):
                self._waiting.popleft()
                future.set_result(None)
            else:
                self._wake_later(min(cost, self._maximum) - self._available)
                return

    def _wake_later(self, missing: float) -> None:
        if self._timer is None:
            wait = max(0.001, missing / self._rate)
            self._timer = asyncio.get_running_loop().call_later(wait, self._woken)

    def _woken(self) -> None:
        self._timer = None
        self._grant()
