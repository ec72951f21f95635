"""The demo over HTTP: a day is started and followed, orders of each kind are placed."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import Any

import pytest

from tests.unit.services.sandbox.heartland.till import Till, open_till


async def day_with(till: Till, count: str) -> dict[str, Any]:
    """The day's progress, once this count is no longer zero."""
    async with asyncio.timeout(10):
        while True:
            progress = dict(await till.sandbox.control("GET", "/demo/day"))
            if progress[count]:
                return progress
            await asyncio.sleep(0.01)


async def placed(till: Till, kind: str) -> dict[str, Any]:
    answer = await till.sandbox.control("POST", "/demo/orders", {"kind": kind})
    return dict(answer["orders"][0])


async def item_ids(till: Till, sku: str) -> list[int]:
    return await till.ids("items", ("_filter", json.dumps({"public_id": sku})))


async def in_heartland(till: Till, shopify_id: int) -> None:
    """The order of a day as the integration builds it: pending, one line, opened last."""
    body = (await till.sandbox.control("GET", f"/shopify/orders/{shopify_id}"))["order"]
    order = await till.order(custom={"shopify_order_id": str(shopify_id)})
    for line in body["line_items"]:
        [item] = await item_ids(till, line["sku"])
        await till.line(order, item, line["quantity"], Decimal(line["price"]))
    await till.put(f"sales/orders/{order}", {"status": "open"})


async def test_a_day_ships_an_order_once_it_is_open_in_heartland() -> None:
    async with open_till() as till:
        await till.sandbox.control("POST", "/demo/day", {"orders": 1, "seed": 4})
        assert (await day_with(till, "sent"))["parcels"] == 0
        [order] = (await till.sandbox.control("GET", "/shopify/orders"))["orders"]

        await in_heartland(till, order["id"])

        now = await day_with(till, "parcels")
        # Nobody has brought the shipments back to Shopify.
        assert (now["arrived"], now["over"], now["problem"]) == (0, False, "")


async def test_an_order_with_an_unknown_item_names_it_and_creates_the_others() -> None:
    async with open_till() as till:
        order = await placed(till, "unknown_item")

        body = (await till.sandbox.control("GET", f"/shopify/orders/{order['id']}"))["order"]
        skus = [line["sku"] for line in body["line_items"]]
        known = [bool(await item_ids(till, sku)) for sku in skus]
        assert skus[0] == order["sku"]
        assert known == [False, *[True] * (len(skus) - 1)]


async def test_an_invalid_currency_is_restored_once() -> None:
    async with open_till() as till:
        order = await placed(till, "invalid_currency")

        first = await till.sandbox.control("POST", "/demo/restore_currency")
        again = await till.sandbox.control("POST", "/demo/restore_currency")

        body = (await till.sandbox.control("GET", f"/shopify/orders/{order['id']}"))["order"]
        assert (first["orders"], again["orders"]) == ([order["name"]], [])
        assert body["currency"] in ("USD", "EUR")


@pytest.mark.parametrize("kind", ["plain", "silent"])
async def test_order_numbers_are_consecutive(kind: str) -> None:
    async with open_till() as till:
        assert [(await placed(till, kind))["number"] for _ in range(2)] == [1001, 1002]
