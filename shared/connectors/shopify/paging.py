"""Reads paged lists of Shopify's GraphQL API to their end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from shared.connectors.shopify.document import Document
from shared.errors import RetryLater

Node = dict[str, Any]


Execute = Callable[[Document, Mapping[str, Any]], Awaitable[Mapping[str, Any]]]


async def all_pages(document: Document, node: Node, field: str, execute: Execute) -> Node:
    """The list `field` of `node` with the entries of all its pages.

    Raises RetryLater if it changes meanwhile.
    """
    page = node[field]
    entries = list(page["nodes"])
    while has_more(page):
        cursor = page["pageInfo"]["endCursor"]
        page = (await more(document, node, {"after": cursor}, execute))[field]
        if has_more(page) and page["pageInfo"]["endCursor"] == cursor:
            raise RetryLater(f"Shopify returned the same page of {field} twice")
        entries += page["nodes"]
    return {**page, "nodes": entries}


async def more(document: Document, node: Node, variables: Mapping[str, Any], execute: Execute) -> Node:
    """The record of `node`, read with a follow-up document.

    Raises RetryLater if it has changed or is gone.
    """
    answer = (await execute(document, {"id": node["id"], **variables})).get("node")
    if not answer:
        raise RetryLater("the record was deleted while it was being read")
    # Pages from before and after a change must not be mixed. A refund has no `updatedAt`: its lines never change.
    if "updatedAt" in node and answer["updatedAt"] != node["updatedAt"]:
        raise RetryLater("the order changed while it was being read", after=1)
    read: Node = answer
    return read


def has_more(page: Node) -> bool:
    return bool(page["pageInfo"]["hasNextPage"])
