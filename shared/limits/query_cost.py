"""Limit on GraphQL query cost: requests wait here, by priority, for points of Shopify's bucket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from shared.canonical.priority import Demand, Priority
from shared.limits.demand import DemandMeter, LimitShare, WaitObserver
from shared.limits.priority_queue import PriorityQueue, Waiter
from shared.runtime.clock import Clock

_EPSILON = 1e-9
# Fraction of the bucket that lower priorities leave for live work, so that it finds points at any time. It costs no
# throughput: points are restored as fast in a bucket that is a fifth full.
_RESERVED: Mapping[Priority, float] = {"live": 0.0, "repair": 0.1, "backfill": 0.2}
# Fraction of the bucket that stays unused while several processes share it: it covers what one does not yet know of
# another.
_MARGIN = 0.05


class QueryCostLimit:
    """A bucket of `maximum` points, refilled by `restore_rate` a second; both are updated from responses.

    `take_share` sets this process's share of a bucket that others use too: of the rate and of the capacity.
    `on_demand` is called when demand begins after a quiet time.
    """

    def __init__(
        self, clock: Clock, maximum: float = 1000, restore_rate: float = 50, watch: WaitObserver | None = None
    ) -> None:
        self.on_demand: Callable[[], object] | None = None
        self._clock = clock
        self._watch = watch
        self._maximum = maximum
        self._rate = restore_rate
        self._share = LimitShare(1.0, alone=True)
        self._available = maximum
        self._at = clock.monotonic()
        self._queue = PriorityQueue()
        self._meter = DemandMeter(self._at)
        self._timer: asyncio.TimerHandle | None = None

    @property
    def available(self) -> float:
        """Points that can be spent now, as far as known."""
        self._refill()
        return self._available

    @property
    def most(self) -> float:
        """The most points that this process can have at once."""
        return self._maximum * self._share.size * (1 - self._margin)

    async def reserve(self, cost: float, priority: Priority = "live") -> None:
        """Wait for `cost` points by priority and take them.

        A query that costs more than the capacity waits for a full bucket.
        """
        self._meter.ask(priority, cost)
        if self._meter.is_quiet and self.on_demand is not None:
            self.on_demand()
        if self._queue.is_empty and self._take(cost, _RESERVED[priority]):
            return
        await self._wait(cost, priority)

    def release_unused(self, cost: float) -> None:
        """Return the points reserved for a query that was not sent."""
        self._refill()
        self._available = min(self.most, self._available + min(cost, self._maximum))
        self._look_again()

    def update(self, throttle_status: Mapping[str, Any], reserved: float, actual: float | None) -> None:
        """Update the bucket from a response, and settle what its request had `reserved`.

        `actual` None: the request was throttled, nothing was spent.
        """
        self._refill()
        maximum = float(throttle_status.get("maximumAvailable") or self._maximum)
        # A bucket larger than assumed also held more points.
        self._available += max(0.0, maximum - self._maximum) * self._share.size
        self._maximum = maximum
        self._rate = float(throttle_status.get("restoreRate") or self._rate)
        # The response states the bucket's level now. Requests in flight are not deducted there yet, so the lower
        # figure is the safe one; what this request did not use is returned.
        returned = min(reserved, self._maximum) - (actual or 0.0)
        ours = min(self.most, self._available + returned)
        there = float(throttle_status.get("currentlyAvailable", ours + maximum)) - maximum * self._margin
        if actual is None:  # fewer points than assumed: only our share of the rest is ours
            there *= self._share.size
        self._available = min(ours, there)
        self._look_again()

    def demand(self) -> Demand:
        """Demand since the last reading, as fractions of the restore rate."""
        return self._meter.read(self._queue, self._rate, self._clock.monotonic())

    def take_share(self, share: LimitShare) -> None:
        """Set this process's share of the bucket."""
        self._refill()
        before = self.most
        self._share = share
        # If no other process had demand lately, its unused points are free.
        more = max(0.0, self.most - before) if share.alone else 0.0
        self._available = min(self.most, self._available + more)
        self._look_again()

    async def _wait(self, cost: float, priority: Priority) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.add(priority, turn, cost)
        self._grant()
        since = self._clock.monotonic()
        if self._watch is not None:
            self._watch.wait_started(priority)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # granted and cancelled in the same loop iteration
                self._available = min(self.most, self._available + min(cost, self._maximum))
            self._grant()  # the next in line may need fewer points
            raise
        finally:
            if self._watch is not None:
                self._watch.wait_ended(priority, self._clock.monotonic() - since)

    @property
    def _margin(self) -> float:
        return 0.0 if self._share.size >= 1 else _MARGIN

    def _refill(self) -> None:
        now = self._clock.monotonic()
        restored = (now - self._at) * self._rate * self._share.size
        self._available = min(self.most, self._available + restored)
        self._at = now

    def _take(self, cost: float, reserved_part: float) -> bool:
        self._refill()
        if self._available < self._needed(cost, reserved_part) - _EPSILON:
            return False
        self._available -= min(cost, self._maximum)
        return True

    def _needed(self, cost: float, reserved_part: float) -> float:
        return min(cost + self.most * reserved_part, self.most)

    def _grant(self) -> None:
        while (waiter := self._queue.head()) is not None:
            reserved_part = self._reserved_part(waiter)
            if not self._take(waiter.cost, reserved_part):
                self._wake_later(self._needed(waiter.cost, reserved_part) - self._available)
                return
            self._queue.serve(waiter)

    def _reserved_part(self, waiter: Waiter) -> float:
        # A waiter that is due must not wait for points that higher priorities take first.
        return 0.0 if self._queue.is_due(waiter) else _RESERVED[waiter.priority]

    def _look_again(self) -> None:
        if self._timer is not None:  # it was set for the old level
            self._timer.cancel()
            self._timer = None
        self._grant()

    def _wake_later(self, missing: float) -> None:
        if self._timer is not None:  # it was set for another waiter
            self._timer.cancel()
        wait = max(0.001, missing / (self._rate * self._share.size))
        self._timer = asyncio.get_running_loop().call_later(wait, self._woken)

    def _woken(self) -> None:
        self._timer = None
        self._grant()
