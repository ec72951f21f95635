"""Reads how many units of orders are fulfilled in Shopify."""

from __future__ import annotations

from contextlib import suppress

from shared.connectors.shopify.paging import Execute
from shared.entities.fulfilment.shopify.documents import READ_SHIPPED


async def shipped_units(execute: Execute, ids: list[str]) -> dict[str, int]:
    """Units in successful fulfilments, by order.

    Orders that Shopify does not return, or not readably, are absent.
    """
    answer = await execute(READ_SHIPPED, {"ids": [f"gid://shopify/Order/{order_id}" for order_id in ids]})
    units: dict[str, int] = {}
    for node in filter(None, answer.get("nodes") or ()):
        with suppress(LookupError, TypeError, ValueError):
            successful = (fulfilment for fulfilment in node["fulfillments"] if fulfilment["status"] == "SUCCESS")
            units[str(node["legacyResourceId"])] = sum(int(fulfilment["totalQuantity"]) for fulfilment in successful)
    return units
