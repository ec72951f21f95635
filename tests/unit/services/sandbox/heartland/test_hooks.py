"""Heartland's webhooks: the bare record, retried until accepted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from aiohttp import web

from tests.unit.services.sandbox.heartland.till import Till


class Receiver:
    def __init__(self) -> None:
        self.bodies: list[Any] = []
        self.answers: list[int] = []
        self.url = ""
        self._arrived = asyncio.Event()

    async def take(self, request: web.Request) -> web.Response:
        self.bodies.append(orjson.loads(await request.read()))
        self._arrived.set()
        return web.Response(status=self.answers.pop(0) if self.answers else 200)

    async def has(self, count: int) -> list[Any]:
        async with asyncio.timeout(10):
            while len(self.bodies) < count:
                self._arrived.clear()
                await self._arrived.wait()
        return self.bodies


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with listening() as opened:
        yield opened


@asynccontextmanager
async def listening() -> AsyncIterator[Receiver]:
    receiver, app = Receiver(), web.Application()
    app.router.add_post("/hook", receiver.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = "http://{}:{}/hook?secret=1".format(*runner.addresses[0][:2])
    try:
        yield receiver
    finally:
        await runner.cleanup()


async def register(till: Till, receiver: Receiver, *events: str) -> int:
    return await till.post("webhooks", {"url": receiver.url, "events": list(events)})


async def test_an_item_hook_is_the_bare_record_in_camel_case(till: Till, receiver: Receiver) -> None:
    await register(till, receiver, "item_created")

    await till.item(custom={"sub_department": "Tops"})

    body = (await receiver.has(1))[0]
    assert (body["publicId"], body["trackInventory"]) == ("TEE", True)
    assert body["custom"] == {"subDepartment": "Tops", "sub_department": "Tops"}


async def test_a_hook_body_can_be_snake_case(till: Till, receiver: Receiver) -> None:
    await till.set_flags(camel_case_hooks=False)
    await register(till, receiver, "customer_created", "customer_updated")

    await till.put(f"customers/{await till.customer()}", {"last_name": "Ash"})

    assert sorted(body["name"] for body in await receiver.has(2)) == ["Rae Ash", "Rae Quill"]
    assert receiver.bodies[0]["active?"] is True


async def test_a_hook_is_retried_until_accepted(till: Till, receiver: Receiver) -> None:
    await till.set_flags(hook_retry_seconds=0.01)
    await register(till, receiver, "item_created")
    receiver.answers = [500, 503, 200]

    await till.item()

    assert len(await receiver.has(3)) == 3


async def test_a_deleted_hook_is_not_called(till: Till, receiver: Receiver) -> None:
    hook = await register(till, receiver, "item_updated")
    item = await till.item()
    await till.put(f"items/{item}", {"description": "first"})
    await receiver.has(1)
    assert (await till.raw("DELETE", f"webhooks/{hook}")).status == 200

    await till.put(f"items/{item}", {"description": "second"})

    assert not till.sandbox.world.has_background_tasks
    assert await till.ids("webhooks") == []


async def test_invoices_fire_hooks_only_if_enabled(till: Till, receiver: Receiver) -> None:
    await register(till, receiver, "sales_transaction_completed")
    await till.ship(await till.open_order(qty=2), lines=[{"sku": "TEE", "qty": 1}])
    await till.set_flags(hooks_for_invoices=True)

    await till.ship(100001)

    body = (await receiver.has(1))[0]
    assert (body["id"], body["type"], body["completed?"]) == (100002, "Invoice", True)


@pytest.mark.parametrize(("kind", "copies"), [("drop", 0), ("duplicate", 2), ("delay", 1), ("reorder", 0)])
async def test_hooks_have_faults_of_their_own(till: Till, receiver: Receiver, kind: str, copies: int) -> None:
    await register(till, receiver, "item_created")
    await till.sandbox.faults(
        {"system": "webhooks", "kind": kind, "times": 1, "seconds": 0.5 if kind == "reorder" else 0.01}
    )
    await till.item("FIRST")
    await till.item("SECOND")

    expected = copies + (2 if kind == "reorder" else 1)

    names = [body["publicId"] for body in await receiver.has(expected)]
    assert names.count("SECOND") == 1
    assert names.count("FIRST") == (1 if kind == "reorder" else copies)
    assert kind != "reorder" or names == ["SECOND", "FIRST"]


async def test_a_reordered_hook_is_sent_without_a_successor(till: Till, receiver: Receiver) -> None:
    await register(till, receiver, "item_created")
    await till.sandbox.faults({"system": "webhooks", "kind": "reorder", "seconds": 0.01})

    await till.item()

    assert len(await receiver.has(1)) == 1
