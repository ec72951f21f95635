"""The canonical fulfilment: a completed Heartland invoice, to be fulfilled in Shopify.

A fact: applied once.
"""

from __future__ import annotations

from datetime import datetime

from shared.canonical.record import CanonicalRecord


class ShippedLine(CanonicalRecord):
    """The units shipped of one item.

    `sku` is empty for the placeholder item; `item_id` is Heartland's item; `order_line_id` is the Shopify order line,
    empty where the invoice does not have it.
    """

    sku: str
    item_id: str
    quantity: int
    order_line_id: str = ""


class Fulfilment(CanonicalRecord):
    """One completed invoice of one of our orders.

    `id` is the invoice's id, `order_id` Shopify's numeric order id.
    """

    id: str
    order_id: str
    heartland_order_id: str
    location_id: str = ""
    completed_at: datetime
    lines: tuple[ShippedLine, ...]
    tracking_number: str = ""
    carrier: str = ""
    tracking_url: str = ""
    notify_customer: bool = False
