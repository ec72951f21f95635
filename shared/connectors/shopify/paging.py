"""Reads paged lists of Shopify's GraphQL API to their end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from shared.connectors.shopify.document import Document
from shared.errors import RetryLater

Node = dict[str, Any]


Execute = Callable[[Document, Mapping[str, Any]], Awaitable[Mapping[str, Any]]]


async def all_pages(document: Document, node: Node, field: str, execute: Execute) -> Node:
    page = node[field]
    entries = list(page["nodes"])
    while has_more(page):
        cursor = page["pageInfo"]["endCursor"]
        page = (await more(document, node, {"after": cursor}, execute))[field]
        if has_more(page) and page["pageInfo"]["endCursor"] == cursor:
            raise RetryLater(f"Shopify repeats the same page of {field}")
        entries += page["nodes"]
    return {**page, "nodes": entries}


async def more(document: Document, node: Node, further: Mapping[str, Any], execute: Execute) -> Node:
    answer = (await execute(document, {"id": node["id"], **further})).get("node")
    if not answer:
        raise RetryLater("the record went away while it was being read")
    # Pages read before and after a change must not be mixed: their sum is no total. A refund's lines never change.
    if "updatedAt" in node and answer["updatedAt"] != node["updatedAt"]:
        raise RetryLater("the order changed while it was being read", after=1)
    read: Node = answer
    return read


def has_more(page: Node) -> bool:
    return bool(page["pageInfo"]["hasNextPage"])
