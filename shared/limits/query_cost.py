"""Shopify's bucket of query points as a budget: calls wait here for points, in the order of their worth."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from shared.canonical.priority import Demand, Priority
from shared.limits.demand import Meter, Part, Watch
from shared.limits.priority_queue import Queue, Waiter
from shared.runtime.clock import Clock

_HAIR = 1e-9
# Parts of the bucket that what is not live leaves alone, so that live work finds points whenever it comes. It costs
# no throughput: points are restored as fast in a bucket that is a fifth full.
_LEFT_ALONE: Mapping[Priority, float] = {"live": 0.0, "repair": 0.1, "backfill": 0.2}
# Part of the bucket that nobody touches while several processes share it: what one of them does not know yet of
# another is taken from here.
_MARGIN = 0.05


class CostBudget:
    """`restore_rate` points a second up to `maximum`; both are learnt from replies.

    Of a bucket that other processes use too, `take_part` says how much is ours: of the rate and of what fits in.
    `on_demand` is called when something is wanted after a quiet time.
    """

    def __init__(
        self, clock: Clock, maximum: float = 1000, restore_rate: float = 50, watch: Watch | None = None
    ) -> None:
        self.on_demand: Callable[[], object] | None = None
        self._clock = clock
        self._watch = watch
        self._maximum = maximum
        self._rate = restore_rate
        self._part = Part(1.0, alone=True)
        self._available = maximum
        self._at = clock.monotonic()
        self._queue = Queue()
        self._meter = Meter(self._at)
        self._timer: asyncio.TimerHandle | None = None

    @property
    def available(self) -> float:
        """Points that can be spent now, as far as is known."""
        self._refill()
        return self._available

    @property
    def most(self) -> float:
        """Points that can be there at once: of a dearer query nobody knows when it passes."""
        return self._maximum * self._part.size * (1 - self._margin)

    async def reserve(self, cost: float, priority: Priority = "live") -> None:
        """Wait until `cost` points are there and it is this call's turn, and take them.

        What costs more than can be there waits until all is there.
        """
        self._meter.ask(priority, cost)
        if self._meter.is_quiet and self.on_demand is not None:
            self.on_demand()
        if self._queue.is_empty and self._take(cost, _LEFT_ALONE[priority]):
            return
        await self._turn(cost, priority)

    def give_back(self, cost: float) -> None:
        """Points that were reserved for a query that was not sent."""
        self._refill()
        self._available = min(self.most, self._available + min(cost, self._maximum))
        self._look_again()

    def learn(self, throttle_status: Mapping[str, Any], reserved: float, actual: float | None) -> None:
        """Take over what a reply says of the bucket, and settle what its call had `reserved`.

        `actual` None: it was throttled, nothing was spent.
        """
        self._refill()
        maximum = float(throttle_status.get("maximumAvailable") or self._maximum)
        # A bucket larger than was believed has also been fuller.
        self._available += max(0.0, maximum - self._maximum) * self._part.size
        self._maximum = maximum
        self._rate = float(throttle_status.get("restoreRate") or self._rate)
        # The reply knows what is in the bucket now. Calls still on their way have not been taken off there yet, so
        # the lower figure is the safe one; what this call did not use comes back to us.
        returned = min(reserved, self._maximum) - (actual or 0.0)
        ours = min(self.most, self._available + returned)
        there = float(throttle_status.get("currentlyAvailable", ours + maximum)) - maximum * self._margin
        if actual is None:  # more was believed to be there than is: of the rest, too, only a part is ours
            there *= self._part.size
        self._available = min(ours, there)
        self._look_again()

    def demand(self) -> Demand:
        """How much of the restored points was wanted since this was asked last."""
        return self._meter.read(self._queue, self._rate, self._clock.monotonic())

    def take_part(self, part: Part) -> None:
        """From now on this much of the bucket is ours."""
        self._refill()
        before = self.most
        self._part = part
        # Where nobody else wanted anything lately, what they did not use is there for us.
        more = max(0.0, self.most - before) if part.alone else 0.0
        self._available = min(self.most, self._available + more)
        self._look_again()

    async def _turn(self, cost: float, priority: Priority) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.add(priority, turn, cost)
        self._grant()
        since = self._clock.monotonic()
        if self._watch is not None:
            self._watch.begins(priority)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # granted and cancelled in the same breath
                self._available = min(self.most, self._available + min(cost, self._maximum))
            self._grant()  # whoever stood behind may need less
            raise
        finally:
            if self._watch is not None:
                self._watch.ends(priority, self._clock.monotonic() - since)

    @property
    def _margin(self) -> float:
        return 0.0 if self._part.size >= 1 else _MARGIN

    def _refill(self) -> None:
        now = self._clock.monotonic()
        restored = (now - self._at) * self._rate * self._part.size
        self._available = min(self.most, self._available + restored)
        self._at = now

    def _take(self, cost: float, left_alone: float) -> bool:
        self._refill()
        if self._available < self._needed(cost, left_alone) - _HAIR:
            return False
        self._available -= min(cost, self._maximum)
        return True

    def _needed(self, cost: float, left_alone: float) -> float:
        return min(cost + self.most * left_alone, self.most)

    def _grant(self) -> None:
        while (waiter := self._queue.head()) is not None:
            left_alone = self._left_alone(waiter)
            if not self._take(waiter.cost, left_alone):
                self._wake_later(self._needed(waiter.cost, left_alone) - self._available)
                return
            self._queue.serve(waiter)

    def _left_alone(self, waiter: Waiter) -> float:
        # Whose turn it is for having waited long enough must not wait for points that the others take first.
        return 0.0 if self._queue.is_due(waiter) else _LEFT_ALONE[waiter.priority]

    def _look_again(self) -> None:
        if self._timer is not None:  # it was set by what was known before
            self._timer.cancel()
            self._timer = None
        self._grant()

    def _wake_later(self, missing: float) -> None:
        if self._timer is not None:  # it was set for another head, which may need more
            self._timer.cancel()
        wait = max(0.001, missing / (self._rate * self._part.size))
        self._timer = asyncio.get_running_loop().call_later(wait, self._woken)

    def _woken(self) -> None:
        self._timer = None
        self._grant()
