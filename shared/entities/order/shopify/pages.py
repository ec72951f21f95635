"""Reads orders completely: first pages of many orders in one query, then the follow-up pages of each."""

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
    """Whether the first pages contain the whole order."""
    paged = [node[field] for field, _ in _PAGED] + [refund["refundLineItems"] for refund in node["refunds"]]
    listed = len(node["transactions"]) < TRANSACTIONS and len(node["refunds"]) < REFUNDS
    return listed and not any(has_more(page) for page in paged)


async def read_orders(ids: Sequence[str], execute: Execute) -> dict[str, Node | None]:
    """The first page of each order by its numeric id; None for one that Shopify does not return.

    One query. Raises what `execute` raises, and TargetDown for an answer of an unexpected shape.
    """
    answer = await execute(READ_ORDERS, {"ids": [f"gid://shopify/Order/{order_id}" for order_id in ids]})
    nodes = answer.get("nodes")
    if not isinstance(nodes, list) or len(nodes) != len(ids):
        raise TargetDown("Shopify's answer does not have one entry per requested order")
    return {
        order_id: node if isinstance(node, dict) and node else None for order_id, node in zip(ids, nodes, strict=True)
    }


async def complete(node: Node, execute: Execute) -> Node:
    """The whole order of `node`, with its follow-up pages; `node` itself is not changed.

    Raises RetryLater when the order changes while it is being read, NeedsReview when one of its lists is longer than
    Shopify returns, and TargetDown for an answer of an unexpected shape.
    """
    try:
        return node if is_whole(node) else await _complete(node, execute)
    except (LookupError, TypeError, AttributeError) as error:
        raise TargetDown("Shopify's answer lacks a requested field") from error


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
    first = {**refund, "refundLineItems": refund.get("refundLineItems") or unread}
    return {**first, "refundLineItems": await all_pages(READ_REFUND_LINES, first, "refundLineItems", execute)}


async def _list(document: Document, node: Node, field: str, execute: Execute) -> list[Node]:
    entries: list[Node] = (await more(document, node, {}, execute))[field]
    if len(entries) >= MANY:
        raise NeedsReview(
            f"the order has {MANY} {field} or more, and Shopify returns only the first {MANY}",
            kind="order_too_long",
            advice="The order cannot be read completely, so it is not written to Heartland. Enter it there by hand.",
            details={"list": field},
        )
    return entries
