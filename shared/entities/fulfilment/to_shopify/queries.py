"""Reads an order's fulfilment orders and fulfilments from Shopify, with all pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.connectors.shopify.client import ShopifyClient
from shared.connectors.shopify.document import Document
from shared.entities.fulfilment.shopify.documents import (
    READ_FULFILMENT_LINES,
    READ_FULFILMENT_ORDER_LINES,
    READ_FULFILMENT_ORDERS,
    READ_FULFILMENTS,
)
from shared.errors import NeedsReview, TargetDown
from shared.limits.call_context import CallContext

Json = dict[str, Any]


async def read_remaining(shopify: ShopifyClient, order_id: str, context: CallContext) -> Json:
    """The order with its fulfilment orders and all their lines.

    Raises NeedsReview if Shopify has no such order.
    """
    order = await _read_order(shopify, READ_FULFILMENT_ORDERS, order_id, context)
    page = order["fulfillmentOrders"]["pageInfo"]
    while page["hasNextPage"]:
        more = await _read_order(shopify, READ_FULFILMENT_ORDERS, order_id, context, after=page["endCursor"])
        order["fulfillmentOrders"]["nodes"] += more["fulfillmentOrders"]["nodes"]
        page = more["fulfillmentOrders"]["pageInfo"]
    for entry in order["fulfillmentOrders"]["nodes"]:
        await _complete(shopify, READ_FULFILMENT_ORDER_LINES, "fulfillmentOrder", entry, "lineItems", context)
    return order


async def read_fulfilments(shopify: ShopifyClient, order_id: str, context: CallContext) -> Json:
    """The order with its fulfilments, each with the first of its lines. Raises NeedsReview."""
    return await _read_order(shopify, READ_FULFILMENTS, order_id, context)


async def complete_fulfilment(
    shopify: ShopifyClient, fulfilment: Mapping[str, Any], context: CallContext
) -> Mapping[str, Any]:
    """The fulfilment with all its lines."""
    await _complete(shopify, READ_FULFILMENT_LINES, "fulfillment", fulfilment, "fulfillmentLineItems", context)
    return fulfilment


async def _complete(
    shopify: ShopifyClient, document: Document, root: str, record: Mapping[str, Any], field: str, context: CallContext
) -> None:
    page = record[field]["pageInfo"]
    while page["hasNextPage"]:
        data = await shopify.execute(document, {"id": record["id"], "after": page["endCursor"]}, context)
        if not data.get(root):
            raise TargetDown(f"Shopify listed {record['id']} but does not return it")
        more = data[root][field]
        record[field]["nodes"].extend(more["nodes"])
        page = more["pageInfo"]


async def _read_order(
    shopify: ShopifyClient, document: Document, order_id: str, context: CallContext, **more: str
) -> Json:
    data = await shopify.execute(document, {"id": f"gid://shopify/Order/{order_id}", **more}, context)
    order: Json | None = data.get("order")
    if order is None:
        raise NeedsReview(
            f"Heartland shipped order {order_id}, which Shopify does not return",
            kind="shipped_order_gone",
            advice="The shipment is not written to Shopify. Either the order was deleted there, or it is older than "
            "60 days and the app lacks the scope read_all_orders: grant the scope, then retry.",
            details={"order": order_id},
        )
    return order
