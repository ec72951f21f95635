"""Shorthand for tests of the simulated Heartland."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.support.sandbox import Heard, Sandbox, open_sandbox

ONLINE, MAIN_STREET = 100001, 100002


class Till:
    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    async def get(self, path: str, *params: tuple[str, str]) -> Any:
        answer = await self.sandbox.heartland("GET", path, params=params)
        assert answer.status == 200, answer.raw
        return answer.body

    async def post(self, path: str, body: object) -> int:
        """The id of what was made."""
        answer = await self.sandbox.heartland("POST", path, body)
        assert answer.status == 201, answer.raw
        return answer.id

    async def put(self, path: str, body: object) -> Any:
        answer = await self.sandbox.heartland("PUT", path, body)
        assert answer.status == 200, answer.raw
        return answer.body

    async def rejection(self, method: str, path: str, body: object = None, status: int = 400) -> Any:
        answer = await self.sandbox.heartland(method, path, body)
        assert answer.status == status, (answer.status, answer.raw)
        return answer.body

    async def raw(self, method: str, path: str, body: object = None) -> Heard:
        return await self.sandbox.heartland(method, path, body)

    async def ids(self, path: str, *params: tuple[str, str]) -> list[int]:
        return [row["id"] for row in (await self.get(path, *params))["results"]]

    async def set_flags(self, **flags: object) -> None:
        await self.sandbox.control("POST", "/heartland/behaviour_flags", flags)

    async def ship(self, order: int | str, **wanted: object) -> Any:
        return await self.sandbox.control("POST", f"/heartland/orders/{order}/ship", wanted)

    async def item(self, sku: str = "TEE", price: object = 24, **more: object) -> int:
        return await self.post("items", {"public_id": sku, "description": sku.title(), "price": price} | more)

    async def customer(self, **more: object) -> int:
        return await self.post("customers", {"first_name": "Rae", "last_name": "Quill"} | more)

    async def order(self, **more: object) -> int:
        """A pending order of a new customer, without lines."""
        body = {"customer_id": await self.customer(), "source_location_id": ONLINE, "station_id": 100001} | more
        return await self.post("sales/orders", body)

    async def line(self, order: int, item: int, qty: object = 1, price: object = 24, **more: object) -> int:
        body = {"item_id": item, "qty": qty, "original_unit_price": price, "adjusted_unit_price": price}
        return await self.post(f"sales/orders/{order}/lines", body | {"ship_from_location_id": MAIN_STREET} | more)

    async def open_order(self, qty: int = 2, **more: object) -> int:
        """An open order over `qty` tees at 24."""
        order = await self.order(**more)
        await self.line(order, await self.item(), qty)
        await self.put(f"sales/orders/{order}", {"status": "open"})
        return order


@asynccontextmanager
async def open_till(**settings: Any) -> AsyncIterator[Till]:
    async with open_sandbox(**settings) as sandbox:
        yield Till(sandbox)
