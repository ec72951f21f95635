"""Looks up calls in doubt. When a look-up is conclusive, shared/sync/create_once.py decides."""

from __future__ import annotations

from collections.abc import Collection

from shared.connectors.shopify.client import ShopifyClient
from shared.entities.fulfilment.shopify.allocation import (
    FulfilmentCall,
    Tracking,
    candidates,
    is_made_by,
    shows_tracking,
)
from shared.entities.fulfilment.to_shopify.queries import complete_fulfilment, read_fulfilments
from shared.limits.call_context import CallContext


async def find_fulfilment(
    shopify: ShopifyClient, order_id: str, call: FulfilmentCall, known: Collection[str], context: CallContext
) -> str | None:
    """The fulfilment that a call made, if Shopify shows it. `known` are those that other calls made."""
    order = await read_fulfilments(shopify, order_id, context)
    for fulfilment in candidates(order, call, known):
        if is_made_by(call, await complete_fulfilment(shopify, fulfilment, context)):
            return str(fulfilment["id"])
    return None


async def find_tracking(
    shopify: ShopifyClient, order_id: str, fulfilment: str, tracking: Tracking, context: CallContext
) -> str | None:
    """The fulfilment, if Shopify shows this tracking on it."""
    order = await read_fulfilments(shopify, order_id, context)
    shown = any(other["id"] == fulfilment and shows_tracking(other, tracking) for other in order["fulfillments"])
    return fulfilment if shown else None
