"""Reads one order as Shopify holds it now, as the event that the transformer would publish."""

from __future__ import annotations

from functools import partial

from shared.entities.order.event import order_event
from shared.entities.order.shopify.pages import complete, read_orders
from shared.entities.order.shopify.to_canonical import from_shopify
from shared.entities.order.transform import require_balance
from shared.entities.parts import PreviewParts, ReadRecord
from shared.errors import Rejected
from shared.limits.call_context import BACKFILL


async def read_now(parts: PreviewParts, connection: str, key: str) -> ReadRecord:
    """Raises Rejected for an order that Shopify does not show, NeedsReview for one that does not add up."""
    shop = parts.clients.shopify.get(connection)
    execute = partial(shop.client.execute, context=BACKFILL)
    node = (await read_orders([key], execute)).get(key)
    if node is None:
        raise Rejected(f"Shopify does not show order {key}")
    order = from_shopify(await complete(node, execute))
    require_balance(order)
    event = order_event(order, connection, namespace=shop.settings.metafield_namespace, read_at=parts.clock.now())
    return ReadRecord(event.model_dump_json().encode(), order.name, order.total, order.currency)
