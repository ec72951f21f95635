"""Reads orders completely: what does not fit into the first pages is read in follow-up pages."""

from __future__ import annotations

from collections.abc import Sequence

from shared.connectors.shopify.document import Document
from shared.connectors.shopify.paging import Execute, Node, all_pages, has_more, more
from shared.entities.order.shopify.documents import (
    MANY,
    READ_ORDER_LINES,
    READ_ORDER_METAFIELDS,
    READ_ORDER_REFUNDS,
    READ_ORDER_SHIPPING,
    READ_ORDER_TRANSACTIONS,
    READ_ORDERS,
    READ_REFUND_LINES,
    REFUNDS,
    TRANSACTIONS,
)
from shared.errors import NeedsReview, TargetDown

_PAGED = (
    ("lineItems", READ_ORDER_LINES),
    ("shippingLines", READ_ORDER_SHIPPING),
    ("metafields", READ_ORDER_METAFIELDS),
)


def is_whole(node: Node) -> bool:
    """Whether all of the order is in its first page."""
    paged = [node[field] for field, _ in _PAGED] + [refund["refundLineItems"] for refund in node["refunds"]]
    listed = len(node["transactions"]) < TRANSACTIONS and len(node["refunds"]) < REFUNDS
    return listed and not any(has_more(page) for page in paged)


async def read_orders(ids: Sequence[str], execute: Execute) -> dict[str, Node | None]:
    """The first page of each order by its numeric id; None for one that is gone or not ours to see.

    One query. Raises what `execute` raises, and TargetDown for an answer of another shape than asked for.
    """
    answer = await execute(READ_ORDERS, {"ids": [f"gid://shopify/Order/{order_id}" for order_id in ids]})
    nodes = answer.get("nodes")
    if not isinstance(nodes, list) or len(nodes) != len(ids):
        raise TargetDown("Shopify's answer does not have one entry per order asked for")
    return {
        order_id: node if isinstance(node, dict) and node else None for order_id, node in zip(ids, nodes, strict=True)
    }


async def complete(node: Node, execute: Execute) -> Node:
    """The order of `node` with everything that its first page lacks; `node` itself is not changed.

    Raises RetryLater when the order changes while it is being read, NeedsReview when one of its lists is longer than
    Shopify lets anyone read, and TargetDown for an answer of another shape than asked for.
    """
    try:
        return node if is_whole(node) else await _complete(node, execute)
    except (LookupError, TypeError, AttributeError) as error:
        raise TargetDown("Shopify's answer lacks what was asked for") from error


async def _complete(node: Node, execute: Execute) -> Node:
    whole = dict(node)
    for field, document in _PAGED:
        whole[field] = await all_pages(document, whole, field, execute)
    if len(node["transactions"]) >= TRANSACTIONS:
        whole["transactions"] = await _list(READ_ORDER_TRANSACTIONS, whole, "transactions", execute)
    whole["refunds"] = await _refunds(whole, execute)
    return whole


async def _refunds(node: Node, execute: Execute) -> list[Node]:
    known = {refund["id"]: refund for refund in node["refunds"]}
    refunds = list(known.values())
    if len(refunds) >= REFUNDS:
        refunds = [known.get(r["id"], r) for r in await _list(READ_ORDER_REFUNDS, node, "refunds", execute)]
    return [await _whole_refund(refund, execute) for refund in refunds]


async def _whole_refund(refund: Node, execute: Execute) -> Node:
    unread = {"pageInfo": {"hasNextPage": True, "endCursor": None}, "nodes": []}
    begun = {**refund, "refundLineItems": refund.get("refundLineItems") or unread}
    return {**begun, "refundLineItems": await all_pages(READ_REFUND_LINES, begun, "refundLineItems", execute)}


async def _list(document: Document, node: Node, field: str, execute: Execute) -> list[Node]:
    entries: list[Node] = (await more(document, node, {}, execute))[field]
    if len(entries) >= MANY:
        raise NeedsReview(
            f"the order has {MANY} {field} or more, and Shopify shows no further ones",
            kind="order_too_long",
            advice="Enter the order in Heartland by hand.",
            details={"list": field},
        )
    return entries
