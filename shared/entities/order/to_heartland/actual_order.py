"""The order as Heartland holds it: read, or known from what was just written. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from shared.canonical.money import total
from shared.entities.order.heartland.orders import SalesOrder, SalesOrderLine, SalesOrderPayment, SalesOrderTax

_CLOSED = {"closed", "complete", "completed"}
_CANCELED = {"canceled", "cancelled"}


@dataclass(frozen=True, slots=True)
class ActualOrder:
    """`invoiced` is None while unknown. `is_new`: this attempt created the order.

    `taxes_stale`: lines changed after the taxes were read, so Heartland may have recomputed them.
    """

    order: SalesOrder
    lines: tuple[SalesOrderLine, ...] = ()
    taxes: tuple[SalesOrderTax, ...] = ()
    payments: tuple[SalesOrderPayment, ...] = ()
    invoiced: bool | None = None
    taxes_stale: bool = False
    is_new: bool = False

    @property
    def cost(self) -> Decimal:
        """The sum of lines, taxes and shipping charge."""
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
