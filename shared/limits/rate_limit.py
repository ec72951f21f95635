"""A rate limit as a budget: calls wait here, in the order of their worth, so that the vendor has nothing to refuse."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from shared.canonical.priority import PRIORITIES, Demand, Priority, most_urgent
from shared.limits.demand import Meter, Part, Watch
from shared.limits.priority_queue import Queue
from shared.runtime.clock import Clock

__all__ = ["PRIORITIES", "Priority", "RequestBudget", "Slot", "most_urgent"]

# Sums of fractions miss a whole by a hair; a hair is no call too many.
_HAIR = 1e-9


class RequestBudget:
    """At most `per_second` calls a second with bursts of `burst`, and `max_in_flight` at a time; 0 lifts a limit.

    Of a limit that other processes use too, `take_part` says how much is ours: of the rate, the burst and the calls at
    a time, but always one of these. `on_demand` is called when something is wanted after a quiet time.
    """

    def __init__(
        self, per_second: float, burst: int, max_in_flight: int, clock: Clock, watch: Watch | None = None
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
        self._queue = Queue()
        self._meter = Meter(self._at)
        self._timer: asyncio.TimerHandle | None = None

    def slot(self, priority: Priority = "live") -> Slot:
        """`async with budget.slot():` waits for a turn; the place is free again on leaving."""
        return Slot(self, priority)

    async def enter(self, priority: Priority = "live") -> None:
        """Wait for a turn. Whoever got one must `leave`."""
        self._meter.ask(priority, 1.0)
        if self._meter.is_quiet and self.on_demand is not None:
            self.on_demand()
        if self._queue.is_empty and self._take():
            return
        await self._turn(priority)

    def leave(self) -> None:
        """The call has ended."""
        self._in_flight -= 1
        if not self._queue.is_empty:
            self._grant()

    def give_back(self) -> None:
        """Instead of `leave`, for a turn that led to no call: its token is as good as new."""
        self._tokens = min(self._burst, self._tokens + 1)
        self.leave()

    def demand(self) -> Demand:
        """How much of the rate was wanted since this was asked last."""
        return self._meter.read(self._queue, self._limit or 1.0, self._clock.monotonic())

    def take_part(self, part: Part) -> None:
        """From now on this much of the limit is ours."""
        self._refill()
        self._rate = self._limit * part.size
        self._most = max(1, int(self._whole_most * part.size + _HAIR)) if self._whole_most else 0
        burst = max(1.0, self._whole_burst * part.size)
        # Where nobody else wanted anything lately, what they did not use is there for us.
        more = max(0.0, burst - self._burst) if part.alone else 0.0
        self._burst = burst
        self._tokens = min(self._burst, self._tokens + more)
        if self._timer is not None:  # it was set by what was ours before
            self._timer.cancel()
            self._timer = None
        self._grant()

    async def _turn(self, priority: Priority) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.add(priority, turn)
        self._grant()
        since = self._clock.monotonic()
        if self._watch is not None:
            self._watch.begins(priority)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give_back()  # granted and cancelled in the same breath
            raise
        finally:
            if self._watch is not None:
                self._watch.ends(priority, self._clock.monotonic() - since)

    def _is_full(self) -> bool:
        return 0 < self._most <= self._in_flight

    def _take(self) -> bool:
        if self._is_full():
            return False
        if self._rate > 0:
            self._refill()
            if self._tokens < 1 - _HAIR:
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
