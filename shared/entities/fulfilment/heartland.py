"""Heartland's invoices: requests, and the canonical fulfilment in a completed one.

Heartland has no shipment object: a shipment is an invoice with status complete whose `order_id` is our order. Its item
lines are the shipped items and quantities. Tracking number and carrier are in custom fields, by convention.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from shared.canonical.money import exact
from shared.connectors.heartland.client import HeartlandClient, Row, batches_of
from shared.connectors.heartland.decimal_json import normalized
from shared.connectors.heartland.timestamps import timestamp
from shared.entities.fulfilment.record import Fulfilment, ShippedLine
from shared.entities.fulfilment.shipment_settings import ShipmentSettings
from shared.errors import NeedsReview, Rejected
from shared.limits.call_context import CallContext

Json = Mapping[str, Any]
# Shopify counts in 32 bits.
_MOST_UNITS = 2**31 - 1


_INVOICES = "sales/invoices"


def list_invoices(
    client: HeartlandClient, condition: Json, context: CallContext, *, per_page: int = 200
) -> AsyncIterator[Row]:
    """The invoices that match the filter, by ascending id, as raw JSON for the raw topic."""
    return client.walk(_INVOICES, condition, per_page=per_page, context=context)


def invoices_changed_since(
    client: HeartlandClient, moment: datetime, context: CallContext, *, per_page: int = 200
) -> AsyncIterator[Row]:
    """Invoices with `updated_at` at or after `moment` (aware), by id, so that changes shift no page."""
    return list_invoices(client, {"updated_at": {"$gte": moment.isoformat()}}, context, per_page=per_page)


async def invoices_by_id(client: HeartlandClient, ids: Sequence[int], context: CallContext) -> list[Row]:
    """The invoices with these ids, many per request; what does not exist is left out."""
    return await _invoices_by(client, "id", ids, context)


async def invoices_of_orders(client: HeartlandClient, order_ids: Sequence[int], context: CallContext) -> list[Row]:
    """The invoices of these orders, many orders per request."""
    return await _invoices_by(client, "order_id", order_ids, context)


async def _invoices_by(client: HeartlandClient, field: str, values: Sequence[int], context: CallContext) -> list[Row]:
    found: list[Row] = []
    for part in batches_of(values):
        found += [row async for row in list_invoices(client, {field: {"$in": part}}, context)]
    return found


async def read_invoice_lines(client: HeartlandClient, invoice_id: int, context: CallContext) -> list[Row]:
    return await client.sub_records(f"{_INVOICES}/{{}}/lines", invoice_id, context=context)


def is_completed(invoice: Json) -> bool:
    """Whether the invoice is completed and not voided. Accounts differ in the case of the status."""
    record = normalized(invoice)
    return str(record.get("status", "")).lower() == "complete" and not record.get("voided")


def shipped_items(lines: Sequence[Json]) -> list[int]:
    """The distinct Heartland item ids of the lines that shipped goods, in order. Raises Rejected."""
    return list(dict.fromkeys(item for item, _, _ in _goods(lines)))


def from_heartland(
    invoice: Json, lines: Sequence[Json], skus: Mapping[int, str], order_id: str, settings: ShipmentSettings
) -> Fulfilment:
    """The fulfilment in this invoice.

    `skus` maps Heartland item ids to SKUs, `order_id` is Shopify's numeric id.

    Raises Rejected where a required field is missing or invalid, NeedsReview where it ships a fraction of a unit.
    """
    record = normalized(invoice)
    custom = _custom(record)
    try:
        return Fulfilment(
            id=str(_id(record["id"])),
            order_id=order_id,
            heartland_order_id=str(_id(record["order_id"])),
            location_id=_text(record.get("source_location_id")),
            completed_at=timestamp(record.get("completed_at") or record.get("updated_at")),
            lines=tuple(_shipped(record, lines, skus, settings)),
            tracking_number=_text(custom.get(settings.fields.tracking_number_field)),
            carrier=_text(custom.get(settings.fields.carrier_field)),
            tracking_url=_text(custom.get(settings.fields.tracking_url_field)),
            notify_customer=settings.notify_customer,
        )
    except (KeyError, ValueError, TypeError, ArithmeticError) as error:
        raise Rejected(f"the Heartland invoice cannot be read as a shipment: {error!r}") from error


def _shipped(
    invoice: Json, lines: Sequence[Json], skus: Mapping[int, str], settings: ShipmentSettings
) -> Iterable[ShippedLine]:
    for item, quantity, line in _goods(lines):
        sku = skus[item]
        if sku not in settings.order.amount_skus:
            yield ShippedLine(
                sku="" if sku == settings.order.placeholder_sku else sku,
                item_id=str(item),
                quantity=_whole(quantity, sku, invoice),
                order_line_id=_text(_custom(line).get(settings.order.line_id_field)),
            )


def _goods(lines: Sequence[Json]) -> Iterable[tuple[int, Decimal, Json]]:
    """Item, quantity and line of each line that shipped goods. Raises Rejected."""
    for line in map(normalized, lines):
        if line.get("type", "ItemLine") != "ItemLine" or not line.get("item_id"):
            continue
        try:
            item, quantity = _id(line["item_id"]), exact(line.get("qty"))
        except (ValueError, TypeError, ArithmeticError) as error:
            raise Rejected(f"a line of the Heartland invoice cannot be read: {error!r}") from error
        if quantity > _MOST_UNITS:
            raise Rejected(f"a line of the Heartland invoice ships {quantity} units")
        if quantity > 0:
            yield item, quantity, line


def _whole(quantity: Decimal, sku: str, invoice: Json) -> int:
    if quantity == int(quantity):
        return int(quantity)
    raise NeedsReview(
        f"Heartland invoice {invoice['id']} ships {quantity} of {sku}, but Shopify only takes whole units",
        kind="fractional_shipment",
        advice="Nothing of this shipment was written to Shopify. Fulfil it there by hand.",
        details={"invoice": str(invoice["id"]), "sku": sku, "quantity": str(quantity)},
    )


def _id(value: object) -> int:
    if isinstance(value, int) or (isinstance(value, str) and value.isdecimal()):
        return int(value)
    raise ValueError(f"not an id: {value!r}")


def _custom(record: Json) -> Json:
    custom = record.get("custom")
    return custom if isinstance(custom, Mapping) else {}


def _text(value: object) -> str:
    return "" if value is None else str(value).strip()
