"""Write-rate loop guard: our writes return as webhooks with hop 0, so the hop limit misses them."""

from __future__ import annotations

from shared.messaging.lanes.lane import LaneKey


class LoopGuard:
    """Counts how often each key was written within the last `window_seconds`; more than `limit` is a loop.

    Pure.

    Sliding window from two fixed ones, the older weighted by the part of it that still counts: memory is bounded by the
    keys of two windows, and a write costs one dictionary access. Times are from a monotonic clock.
    """

    def __init__(self, limit: int, window_seconds: float) -> None:
        self._limit = limit
        self._window = window_seconds
        self._began = 0.0
        self._now: dict[LaneKey, int] = {}
        self._before: dict[LaneKey, int] = {}

    def wrote(self, key: LaneKey, now: float) -> None:
        """Count a write of the key."""
        self._rotate(now)
        self._now[key] = self._now.get(key, 0) + 1

    def is_looping(self, key: LaneKey, now: float) -> bool:
        """Whether the key was written so often that the next write must wait."""
        self._rotate(now)
        left = 1.0 - (now - self._began) / self._window
        return self._now.get(key, 0) + self._before.get(key, 0) * left >= self._limit

    def _rotate(self, now: float) -> None:
        passed = now - self._began
        if passed < self._window:
            return
        self._before = self._now if passed < 2 * self._window else {}
        self._now = {}
        self._began = now - passed % self._window
