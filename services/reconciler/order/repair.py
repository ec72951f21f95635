"""Repairs of what an order's own writer writes: the order, and its payments."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from services.reconciler.notice import Notice, event
from services.reconciler.subject import Vendors
from shared.connectors.heartland.errors import NotFound
from shared.connectors.heartland.models import Model
from shared.messaging.topics import RAW_SHOPIFY_ORDER
from shared.state.drift import Drift

ORDER_NOTICE = "shopify.orders/repair"
Json = dict[str, Any]


async def held(row: Drift, vendors: Vendors) -> Json:
    """The figures found, and the order in Heartland with its parts.

    Custom fields are left out: people write in them what is nobody's business here.
    """
    number, heartland = row.details.get("heartland_id"), vendors.heartland.client
    if not number:
        return row.details
    try:
        parts: dict[str, Iterable[Model]] = {
            "order": [await heartland.order(int(number))],
            "lines": await heartland.order_lines(int(number)),
            "taxes": await heartland.order_taxes(int(number)),
            "payments": await heartland.order_payments(int(number)),
        }
    except NotFound:
        return row.details
    plain = {name: [one.model_dump(mode="json", exclude={"custom"}) for one in rows] for name, rows in parts.items()}
    return {**row.details, **plain}


async def notices(row: Drift, _: Vendors, now: datetime) -> list[Notice]:
    """The order is to be read back, and written although it seems to be."""
    told = event(row, now, source="shopify", kind=ORDER_NOTICE, entity="order")
    return [Notice(RAW_SHOPIFY_ORDER, told, covers=row.key)]
