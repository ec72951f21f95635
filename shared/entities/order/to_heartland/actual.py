"""What Heartland holds of an order, as far as we know it: read back, or remembered from what we just wrote."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from shared.canonical.money import total
from shared.connectors.heartland.client import HeartlandClient
from shared.entities.order.heartland.orders import (
    SalesOrder,
    SalesOrderLine,
    SalesOrderPayment,
    SalesOrderTax,
    read_order_lines,
    read_order_payments,
    read_order_taxes,
    read_sales_order,
)
from shared.limits.call_context import CallContext
from shared.runtime.clock import Clock
from shared.sync.unit_of_work import UnitOfWork

_CLOSED = {"closed", "complete", "completed"}
_CANCELED = {"canceled", "cancelled"}


@dataclass(frozen=True, slots=True)
class ActualOrder:
    """`invoiced` is None while unknown. `taxes_stale`: lines changed since, so Heartland may have taxed anew."""

    order: SalesOrder
    lines: tuple[SalesOrderLine, ...] = ()
    taxes: tuple[SalesOrderTax, ...] = ()
    payments: tuple[SalesOrderPayment, ...] = ()
    invoiced: bool | None = None
    taxes_stale: bool = False

    @property
    def cost(self) -> Decimal:
        """What its parts come to, as far as they are known."""
        lines = total(line.unit_price * line.qty for line in self.lines)
        return lines + total(tax.value for tax in self.taxes) + (self.order.shipping_charge or Decimal(0))

    @property
    def status(self) -> str:
        return self.order.status.lower()

    @property
    def pending(self) -> bool:
        return self.status == "pending"

    @property
    def closed(self) -> bool:
        return self.status in _CLOSED

    @property
    def canceled(self) -> bool:
        return self.status in _CANCELED


async def read_order(heartland: HeartlandClient, order_id: int, context: CallContext) -> ActualOrder:
    """The whole order as it stands. Raises NotFound where it is gone."""
    return ActualOrder(
        order=await read_sales_order(heartland, order_id, context),
        lines=tuple(await read_order_lines(heartland, order_id, context)),
        taxes=tuple(await read_order_taxes(heartland, order_id, context)),
        payments=tuple(await read_order_payments(heartland, order_id, context)),
    )


class RecentOrders:
    """Orders written a moment ago. Heartland's reads may lag behind its writes; until then memory is the better source.

    Where memory fails too (a write without an answer, a fresh process), a read must wait until it can be trusted.
    """

    def __init__(self, clock: Clock, started_at: datetime | None = None, limit: int = 500) -> None:
        self._clock = clock
        self._limit = limit
        self._started_at = started_at or clock.now()
        self._pending: dict[tuple[str, ...], UnitOfWork] = {}
        self._kept: OrderedDict[str, tuple[ActualOrder | None, datetime]] = OrderedDict()

    def leave(self, pending: UnitOfWork) -> None:
        """It could not be noted, the database being away or the attempt cut short: the next attempt takes it up."""
        self._pending[pending.about] = pending

    def pending(self, about: tuple[str, ...]) -> UnitOfWork:
        """What an earlier attempt left to note, else nothing."""
        return self._pending.pop(about, None) or UnitOfWork(about)

    def keep(self, key: str, known: ActualOrder) -> None:
        """Remember what we wrote. A line whose id we were not told makes the memory useless for edits."""
        self._put(key, known if all(line.id for line in known.lines) else None)

    def doubt(self, key: str) -> None:
        """A write of this order got no answer."""
        self._put(key, None)

    def recall(self, key: str, lag_seconds: float) -> ActualOrder | None:
        """What we wrote, while reads may lag. Whether it was invoiced since is for others to do, and so asked anew."""
        known, at = self._kept.get(key, (None, self._started_at))
        if known is None or self._clock.now() - at >= timedelta(seconds=lag_seconds):
            return None
        return known if known.invoiced else replace(known, invoiced=None)

    def unsettled_seconds(self, key: str, written_at: datetime | None, lag_seconds: float) -> float:
        """How long until a read shows all that may have been written, by us, before a restart, or at `written_at`."""
        at = max(self._kept[key][1] if key in self._kept else self._started_at, written_at or self._started_at)
        return (at - self._clock.now()).total_seconds() + lag_seconds

    def _put(self, key: str, known: ActualOrder | None) -> None:
        self._kept.pop(key, None)
        self._kept[key] = (known, self._clock.now())
        if len(self._kept) > self._limit:
            self._kept.popitem(last=False)


@dataclass(frozen=True, slots=True)
class References:
    """The ids in Heartland that an order's calls name. `items` by SKU, `payment_types` by gateway."""

    items: Mapping[str, int]
    payment_types: Mapping[str, int]
    customer_id: int | None
    billing_address_id: int | None
    shipping_address_id: int | None
    source_location_id: int
    station_id: int
    ship_from_location_id: int
