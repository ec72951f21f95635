"""The query cost bucket, shared by all calls of the app."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from services.sandbox.shopify.money import Json

RESTORED_PER_SECOND: Final = {"standard": 100.0, "advanced": 200.0, "plus": 1000.0, "enterprise": 2000.0}
# The bucket's size is its restore rate times this.
BUCKET_SECONDS: Final = 20
# Not a real plan: for measurements that must not wait for the vendor.
UNLIMITED: Final = "unlimited"


class CostBucket:
    def __init__(self, plan: str, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.is_unlimited = plan == UNLIMITED
        self.rate = RESTORED_PER_SECOND.get(plan, 2000.0)
        self.maximum = self.rate * BUCKET_SECONDS
        self._level = self.maximum
        self._at = clock()

    def take(self, cost: float) -> bool:
        """Takes a query's requested cost; False if less is available."""
        self._refill()
        if self.is_unlimited:
            return True
        if cost > self._level:
            return False
        self._level -= cost
        return True

    def give_back(self, cost: float) -> None:
        self._level = min(self.maximum, self._level + cost)

    def status(self) -> Json:
        self._refill()
        return {"maximumAvailable": self.maximum, "currentlyAvailable": int(self._level), "restoreRate": self.rate}

    def _refill(self) -> None:
        now = self._clock()
        self._level = min(self.maximum, self._level + (now - self._at) * self.rate)
        self._at = now
