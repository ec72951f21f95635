"""Heartland's sales orders with their lines, taxes and payments: models and requests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from decimal import Decimal

from pydantic import Field

from shared.connectors.heartland.client import HeartlandClient, Json, Row, batches_of
from shared.connectors.heartland.models import Amount, Custom, MaybeAmount, Model, Text, read_all, read_one
from shared.limits.call_context import CallContext

_ORDERS, _ORDER = "sales/orders", "sales/orders/{}"
# More than enough: no account has that many orders with one number, or with one Shopify id.
_MATCHES_PER_PAGE = 20


class SalesOrder(Model):
    """`status` is `pending`, `open`, then closed or canceled; the last two have no documented spelling."""

    id: int
    public_id: Text = ""
    status: Text = ""
    customer_id: int | None = None
    billing_address_id: int | None = None
    shipping_address_id: int | None = None
    shipping_charge: MaybeAmount = None
    custom: Custom = Field(default_factory=dict)


class SalesOrderLine(Model):
    """`qty` may be zero or negative. If `adjusted_unit_price` is null, the original price applies."""

    id: int
    type: Text = "ItemLine"
    item_id: int | None = None
    qty: Amount = Decimal(0)
    original_unit_price: MaybeAmount = None
    adjusted_unit_price: MaybeAmount = None
    total_tax: MaybeAmount = None
    custom: Custom = Field(default_factory=dict)

    @property
    def unit_price(self) -> Decimal:
        price = self.original_unit_price if self.adjusted_unit_price is None else self.adjusted_unit_price
        return Decimal(0) if price is None else price


class SalesOrderTax(Model):
    id: int = 0
    description: Text = ""
    value: Amount = Decimal(0)


class SalesOrderPayment(Model):
    id: int = 0
    payment_type_id: int | None = None
    amount: Amount = Decimal(0)
    status: Text = ""
    custom: Custom = Field(default_factory=dict)

    def same_money(self, other: SalesOrderPayment) -> bool:
        return self.payment_type_id == other.payment_type_id and self.amount == other.amount


async def read_sales_order(client: HeartlandClient, order_id: int, context: CallContext) -> SalesOrder:
    """Raises NotFound if there is no such order."""
    return read_one(SalesOrder, await client.record(_ORDER, order_id, context=context))


async def orders_by_id(client: HeartlandClient, ids: Iterable[int], context: CallContext) -> list[Row]:
    """The orders with these ids, as raw rows of a list, many per request.

    Those that do not exist are left out.
    """
    found: list[Row] = []
    for part in batches_of(list(ids)):
        found += [row async for row in client.walk(_ORDERS, {"id": {"$in": part}}, context=context)]
    return found


def orders_changed_since(client: HeartlandClient, moment: datetime, context: CallContext) -> AsyncIterator[Row]:
    """Orders with `updated_at` >= `moment` (aware), by id. [inferred] An account may ignore the filter."""
    return client.walk(_ORDERS, {"updated_at": {"$gte": moment.isoformat()}}, context=context)


async def orders_by_custom_field(
    client: HeartlandClient, field: str, value: str, context: CallContext
) -> list[SalesOrder]:
    """The orders with this value in a custom field, by ascending id."""
    rows = await _matching(client, {f"custom@{field}": value}, context)
    return [row for row in rows if row.custom.get(field) == value]


async def orders_by_number(client: HeartlandClient, public_id: str, context: CallContext) -> list[SalesOrder]:
    """The orders with this number."""
    return [row for row in await _matching(client, {"public_id": public_id}, context) if row.public_id == public_id]


async def _matching(client: HeartlandClient, condition: Json, context: CallContext) -> list[SalesOrder]:
    by_id = [("sort[]", "id")]
    rows = await client.first_page(_ORDERS, condition, per_page=_MATCHES_PER_PAGE, extra=by_id, context=context)
    return read_all(SalesOrder, rows)


async def create_order(client: HeartlandClient, order: Json, context: CallContext) -> int | None:
    return await client.create(_ORDERS, body=order, context=context)


async def update_order(client: HeartlandClient, order_id: int, changes: Json, context: CallContext) -> None:
    await client.update(_ORDER, order_id, body=changes, context=context)


async def read_order_lines(client: HeartlandClient, order_id: int, context: CallContext) -> list[SalesOrderLine]:
    return read_all(SalesOrderLine, await client.sub_records(f"{_ORDER}/lines", order_id, context=context))


async def add_order_line(client: HeartlandClient, order_id: int, line: Json, context: CallContext) -> int | None:
    return await client.create(f"{_ORDER}/lines", order_id, body=line, context=context)


async def update_order_line(
    client: HeartlandClient, order_id: int, line_id: int, changes: Json, context: CallContext
) -> None:
    await client.update(f"{_ORDER}/lines/{{}}", order_id, line_id, body=changes, context=context)


async def delete_order_line(client: HeartlandClient, order_id: int, line_id: int, context: CallContext) -> None:
    await client.delete(f"{_ORDER}/lines/{{}}", order_id, line_id, context=context)


async def read_order_taxes(client: HeartlandClient, order_id: int, context: CallContext) -> list[SalesOrderTax]:
    return read_all(SalesOrderTax, await client.sub_records(f"{_ORDER}/taxes", order_id, context=context))


async def add_order_tax(client: HeartlandClient, order_id: int, tax: Json, context: CallContext) -> int | None:
    return await client.create(f"{_ORDER}/taxes", order_id, body=tax, context=context)


async def read_order_payments(client: HeartlandClient, order_id: int, context: CallContext) -> list[SalesOrderPayment]:
    return read_all(SalesOrderPayment, await client.sub_records(f"{_ORDER}/payments", order_id, context=context))


async def add_order_payment(client: HeartlandClient, order_id: int, payment: Json, context: CallContext) -> int | None:
    return await client.create(f"{_ORDER}/payments", order_id, body=payment, context=context)


async def invoices_of_order(client: HeartlandClient, order_id: int, context: CallContext) -> list[Row]:
    """The order's invoices, as raw rows of a list."""
    return [row async for row in client.walk("sales/invoices", {"order_id": order_id}, context=context)]
