"""How many units of orders Shopify shows as fulfilled."""

from __future__ import annotations

from contextlib import suppress

from shared.connectors.shopify.paging import Execute
from shared.entities.fulfilment.shopify.documents import READ_SHIPPED


async def shipped_units(execute: Execute, ids: list[str]) -> dict[str, int]:
    """Units in fulfilments that stand, by order; orders that Shopify does not show, or not readably, are absent."""
    answer = await execute(READ_SHIPPED, {"ids": [f"gid://shopify/Order/{one}" for one in ids]})
    found: dict[str, int] = {}
    for node in filter(None, answer.get("nodes") or ()):
        with suppress(LookupError, TypeError, ValueError):
            standing = (one for one in node["fulfillments"] if one["status"] == "SUCCESS")
            found[str(node["legacyResourceId"])] = sum(int(one["totalQuantity"]) for one in standing)
    return found
