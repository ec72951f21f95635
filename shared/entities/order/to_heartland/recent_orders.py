"""Cache of orders that were just written, for as long as Heartland's reads may not show the writes."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from datetime import datetime, timedelta

from shared.entities.order.to_heartland.actual_order import ActualOrder
from shared.runtime.clock import Clock


class RecentOrders:
    """Orders that were just written, by Shopify's id.

    Heartland's reads may lag behind its writes; until the lag is over, an order is taken from here. Where it is not
    known here either (a write without an answer, a restart), it is read only once the lag is over.
    """

    def __init__(self, clock: Clock, started_at: datetime | None = None, limit: int = 500) -> None:
        self._clock = clock
        self._limit = limit
        self._started_at = started_at or clock.now()
        self._kept: OrderedDict[str, tuple[ActualOrder | None, datetime]] = OrderedDict()

    def keep(self, key: str, order: ActualOrder) -> None:
        """Store the order as written.

        If Heartland did not return the id of a line, the order must be read instead.
        """
        self._put(key, order if all(line.id for line in order.lines) else None)

    def forget(self, key: str) -> None:
        """A write of this order got no answer, or another process may have written it: it must be read."""
        self._put(key, None)

    def recall(self, key: str, lag_seconds: float) -> ActualOrder | None:
        """The order as written, while reads may lag; stores may have invoiced it, so `invoiced` is unknown."""
        order, at = self._kept.get(key, (None, self._started_at))
        if order is None or self._clock.now() - at >= timedelta(seconds=lag_seconds):
            return None
        return replace(order, invoiced=order.invoiced or None, is_new=False)

    def unsettled_seconds(self, key: str, written_at: datetime | None, lag_seconds: float) -> float:
        """Seconds until a read shows every write: ours, those before a restart, and one at `written_at`."""
        at = max(self._kept[key][1] if key in self._kept else self._started_at, written_at or self._started_at)
        return (at - self._clock.now()).total_seconds() + lag_seconds

    def _put(self, key: str, order: ActualOrder | None) -> None:
        self._kept.pop(key, None)
        self._kept[key] = (order, self._clock.now())
        if len(self._kept) > self._limit:
            self._kept.popitem(last=False)
