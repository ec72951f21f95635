"""Lists the orders that changed since a time. Only ids and timestamps, which is a cheap query."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shared.connectors.shopify.document import Document
from shared.connectors.shopify.paging import Execute
from shared.connectors.shopify.values import InvalidValue, required_timestamp
from shared.errors import TargetDown

PAGE = 100

LIST_CHANGED_ORDERS = Document(
    "ListChangedOrders",
    """
query ListChangedOrders($first: Int!, $after: String, $query: String!) {
  orders(first: $first, after: $after, query: $query, sortKey: UPDATED_AT) {
    pageInfo { hasNextPage endCursor }
    nodes { legacyResourceId name updatedAt }
  }
}""",
    cost_hint=40,
)


@dataclass(frozen=True, slots=True)
class ChangedOrder:
    """`id` is Shopify's number, `name` the order's name with its `#`."""

    id: str
    name: str
    updated_at: datetime


async def changed_orders(execute: Execute, since: datetime) -> AsyncGenerator[ChangedOrder, None]:
    """Every order with `updated_at` at or after `since` (aware), oldest change first.

    Raises what `execute` raises.

    An order that changes while it is being listed moves to the end of the list, so none is missed; it may come
    twice. An order whose timestamp cannot be read counts as changed at `since`.
    """
    stamp = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    after: str | None = None
    while True:
        variables = {"first": PAGE, "after": after, "query": f"updated_at:>='{stamp}'"}
        page: dict[str, Any] = (await execute(LIST_CHANGED_ORDERS, variables)).get("orders") or {}
        for row in _rows(page):
            found = ChangedOrder(str(row["legacyResourceId"]), str(row["name"]), _changed_at(row, since))
            # Shopify ignores an unknown filter silently.
            if found.updated_at >= since.replace(microsecond=0):
                yield found
        info = page["pageInfo"]
        if not info["hasNextPage"]:
            return
        after = info["endCursor"]


def _changed_at(row: dict[str, Any], since: datetime) -> datetime:
    try:
        return required_timestamp(row["updatedAt"])
    except InvalidValue:
        return since


def _rows(page: dict[str, Any]) -> list[dict[str, Any]]:
    rows = page.get("nodes")
    if not isinstance(rows, list):
        raise TargetDown("Shopify's answer to a list of orders has no list")
    return rows
