"""Rate limit: requests wait here by priority, so that the vendor never has to answer 429."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from shared.canonical.priority import PRIORITIES, Demand, Priority, most_urgent
from shared.limits.demand import DemandMeter, LimitShare, WaitObserver
from shared.limits.priority_queue import PriorityQueue
from shared.runtime.clock import Clock

__all__ = ["PRIORITIES", "Permit", "Priority", "RateLimit", "most_urgent"]

# Tolerance for sums of fractions.
_EPSILON = 1e-9


class RateLimit:
    """At most `per_second` requests a second, bursts of `burst`, `max_in_flight` concurrently.

    0 means unlimited.

    `take_share` sets this process's share of a limit that others use too: of the rate, the burst and the concurrency
    (at least one request). `on_demand` is called when demand begins after a quiet time.
    """

    def __init__(
        self, per_second: float, burst: int, max_in_flight: int, clock: Clock, watch: WaitObserver | None = None
    ) -> None:
        self.on_demand: Callable[[], object] | None = None
        self._limit = self._rate = per_second
        self._whole_burst = self._burst = float(max(1, burst))
        self._whole_most = self._most = max_in_flight
        self._clock = clock
        self._watch = watch
        self._tokens = self._burst
        self._at = clock.monotonic()
        self._in_flight = 0
        self._queue = PriorityQueue()
        self._meter = DemandMeter(self._at)
        self._timer: asyncio.TimerHandle | None = None

    def permit(self, priority: Priority = "live") -> Permit:
        """`async with limit.permit():` waits for a permit and releases it on exit."""
        return Permit(self, priority)

    async def acquire(self, priority: Priority = "live") -> None:
        """Wait for a permit. The caller must `release` it."""
        self._meter.ask(priority, 1.0)
        if self._meter.is_quiet and self.on_demand is not None:
            self.on_demand()
        if self._queue.is_empty and self._take():
            return
        await self._wait(priority)

    def release(self) -> None:
        """The request has ended."""
        self._in_flight -= 1
        if not self._queue.is_empty:
            self._grant()

    def release_unused(self) -> None:
        """Instead of `release`, if no request was sent: the token goes back."""
        self._tokens = min(self._burst, self._tokens + 1)
        self.release()

    def demand(self) -> Demand:
        """Demand since the last reading, as fractions of the rate."""
        return self._meter.read(self._queue, self._limit or 1.0, self._clock.monotonic())

    def take_share(self, share: LimitShare) -> None:
        """Set this process's share of the limit."""
        self._refill()
        self._rate = self._limit * share.size
        self._most = max(1, int(self._whole_most * share.size + _EPSILON)) if self._whole_most else 0
        burst = max(1.0, self._whole_burst * share.size)
        # If no other process had demand lately, its unused tokens are free.
        more = max(0.0, burst - self._burst) if share.alone else 0.0
        self._burst = burst
        self._tokens = min(self._burst, self._tokens + more)
        if self._timer is not None:  # it was set for the old share
            self._timer.cancel()
            self._timer = None
        self._grant()

    async def _wait(self, priority: Priority) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.add(priority, turn)
        self._grant()
        since = self._clock.monotonic()
        if self._watch is not None:
            self._watch.wait_started(priority)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release_unused()  # granted and cancelled in the same loop iteration
            raise
        finally:
            if self._watch is not None:
                self._watch.wait_ended(priority, self._clock.monotonic() - since)

    def _is_full(self) -> bool:
        return 0 < self._most <= self._in_flight

    def _take(self) -> bool:
        if self._is_full():
            return False
        if self._rate > 0:
            self._refill()
            if self._tokens < 1 - _EPSILON:
                return False
            self._tokens -= 1
        self._in_flight += 1
        return True

    def _refill(self) -> None:
        now = self._clock.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now

    def _grant(self) -> None:
        while (waiter := self._queue.head()) is not None:
            if not self._take():
                self._wake_later()
                return
            self._queue.serve(waiter)

    def _wake_later(self) -> None:
        if self._timer is not None or self._is_full():
            return  # the next request that ends grants again
        wait = max(0.001, (1 - self._tokens) / self._rate)
        self._timer = asyncio.get_running_loop().call_later(wait, self._woken)

    def _woken(self) -> None:
        self._timer = None
        self._grant()


class Permit:
    """A permit of a RateLimit, held for one request."""

    __slots__ = ("_budget", "_priority")

    def __init__(self, budget: RateLimit, priority: Priority) -> None:
        self._budget = budget
        self._priority = priority

    async def __aenter__(self) -> None:
        await self._budget.acquire(self._priority)

    async def __aexit__(self, *error: object) -> None:
        self._budget.release()
