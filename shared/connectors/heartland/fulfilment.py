"""A completed Heartland invoice becomes a canonical fulfilment.

There is no shipment object in Heartland: "it has left" is an invoice with status complete whose `order_id` is our
order; its item lines say what and how many. Tracking number and carrier stand in custom fields by convention.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from shared.canonical.fulfilment import Fulfilment, ShippedLine
from shared.connectors.heartland.settings import HeartlandSettings
from shared.errors import Rejected

Json = Mapping[str, Any]


def is_completed(invoice: Json) -> bool:
    """Whether the invoice is final. Live accounts spell the status in either case."""
    return str(invoice.get("status", "")).lower() == "complete"


def shipped_items(lines: Sequence[Json]) -> list[str]:
    """Heartland item ids of the lines that moved goods, each once, in order."""
    return list(dict.fromkeys(str(line["item_id"]) for line in lines if _moves_goods(line)))


def from_heartland(
    invoice: Json, lines: Sequence[Json], skus: Mapping[str, str], order_id: str, rules: HeartlandSettings
) -> Fulfilment:
    """The fulfilment in this invoice. `skus` maps Heartland item ids to SKUs, `order_id` is Shopify's numeric id.

    Raises Rejected where the invoice lacks what a shipment needs.
    """
    custom: Mapping[str, Any] = invoice.get("custom") or {}
    try:
        return Fulfilment(
            id=str(invoice["id"]),
            order_id=order_id,
            heartland_order_id=str(invoice["order_id"]),
            location_id=str(invoice.get("source_location_id") or ""),
            completed_at=_moment(invoice),
            lines=tuple(_shipped(lines, skus, rules)),
            tracking_number=_text(custom.get(rules.tracking_number_field)),
            carrier=_text(custom.get(rules.carrier_field)),
            tracking_url=_text(custom.get(rules.tracking_url_field)),
            notify_customer=rules.notify_customer,
        )
    except (KeyError, ValueError, ArithmeticError) as error:
        raise Rejected(f"the Heartland invoice cannot be read as a shipment: {error!r}") from error


def _moves_goods(line: Json) -> bool:
    return line.get("type", "ItemLine") == "ItemLine" and bool(line.get("item_id")) and int(line.get("qty") or 0) > 0


def _shipped(lines: Sequence[Json], skus: Mapping[str, str], rules: HeartlandSettings) -> Iterable[ShippedLine]:
    bookkeeping = {rules.tip_sku, rules.duty_sku, rules.fee_sku, rules.rounding_sku, rules.discount_sku}
    for line in lines:
        if not _moves_goods(line):
            continue
        item = str(line["item_id"])
        sku = skus[item]
        if sku not in bookkeeping:
            yield ShippedLine(
                sku="" if sku == rules.placeholder_sku else sku,
                item_id=item,
                quantity=int(line["qty"]),
                order_line_id=_text((line.get("custom") or {}).get(rules.line_id_field)),
            )


def _moment(invoice: Json) -> datetime:
    return datetime.fromisoformat(str(invoice.get("completed_at") or invoice["updated_at"]))


def _text(value: object) -> str:
    return "" if value is None else str(value).strip()
