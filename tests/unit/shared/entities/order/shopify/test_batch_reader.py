"""Whoever asks within the window shares one query; nobody's trouble becomes another's."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from shared.connectors.shopify.document import Document
from shared.connectors.shopify.errors import QueryTooLarge
from shared.entities.order.shopify.batch_reader import OrderReader, RecentReads
from shared.errors import Rejected, TargetDown
from shared.limits.call_context import CallContext
from tests.support.orders import an_order_node


class FakeShop:
    """Answers with a node per id, when `gate` is open. `most` is what one query may hold."""

    def __init__(self, most: int = 1000, max_units: int = 1000) -> None:
        self.batches: list[list[str]] = []
        self.most = most
        self.fits = max_units
        self.bad: dict[str, Exception] = {}
        self.missing: set[str] = set()
        self.arrived = asyncio.Semaphore(0)
        self.gate = asyncio.Event()
        self.gate.set()

    def max_units(self, document: Document) -> int:
        return self.fits

    async def execute(self, document: Document, variables: Mapping[str, Any], context: CallContext) -> dict[str, Any]:
        ids = [gid.rpartition("/")[2] for gid in variables["ids"]]
        self.batches.append(ids)
        self.arrived.release()
        await self.gate.wait()
        if len(ids) > self.most:
            raise QueryTooLarge("too much")
        for order_id in ids:
            if order_id in self.bad:
                raise self.bad[order_id]
        return {"nodes": [None if order_id in self.missing else an_order_node(order_id) for order_id in ids]}


def reader(shop: FakeShop, window: float = 0.005, maximum: int = 100) -> OrderReader:
    return OrderReader(shop, window_seconds=window, maximum=maximum)


async def test_many_keys_share_one_query() -> None:
    shop = FakeShop()
    orders = reader(shop)

    nodes = await asyncio.gather(*(orders.read(str(number)) for number in range(30)))

    assert len(shop.batches) == 1
    assert [node["id"] for node in nodes if node] == [f"gid://shopify/Order/{n}" for n in range(30)]


async def test_a_burst_that_trickles_in_still_shares_a_query() -> None:
    shop = FakeShop()
    orders = reader(shop, window=0.2)
    asked = []
    for number in range(10):
        asked.append(asyncio.create_task(orders.read(str(number))))
        await asyncio.sleep(0.001)
    await asyncio.gather(*asked)

    assert len(shop.batches) == 1


async def test_a_batch_does_not_wait_for_ever_for_more() -> None:
    shop = FakeShop()
    orders = reader(shop, window=0.01)
    asked = []
    while not shop.batches:
        asked.append(asyncio.create_task(orders.read(str(len(asked)))))
        await asyncio.sleep(0.001)
    await asyncio.gather(*asked)

    assert shop.batches


async def test_a_full_batch_does_not_wait_for_the_window() -> None:
    shop = FakeShop(max_units=4)
    orders = reader(shop, window=3600)

    await asyncio.gather(*(orders.read(str(number)) for number in range(4)))

    assert [len(batch) for batch in shop.batches] == [4]


async def test_the_same_order_asked_for_twice_is_read_once() -> None:
    shop = FakeShop()
    orders = reader(shop)

    first, second = await asyncio.gather(orders.read("1"), orders.read("1"))

    assert shop.batches == [["1"]]
    assert first is second


async def test_what_arrives_while_two_queries_are_under_way_fills_the_next() -> None:
    shop = FakeShop(max_units=2)
    shop.gate.clear()
    orders = reader(shop)
    asked = [asyncio.create_task(orders.read(str(number))) for number in range(4)]
    await shop.arrived.acquire()
    await shop.arrived.acquire()
    shop.fits = 50
    asked += [asyncio.create_task(orders.read(str(number))) for number in range(4, 40)]
    shop.gate.set()
    await asyncio.gather(*asked)

    assert [len(batch) for batch in shop.batches] == [2, 2, 36]


async def test_a_batch_that_is_too_much_is_halved_and_stays_smaller() -> None:
    shop = FakeShop(most=10)
    orders = reader(shop)

    nodes = await asyncio.gather(*(orders.read(str(number)) for number in range(32)))
    assert all(nodes)
    before = len(shop.batches)
    await asyncio.gather(*(orders.read(str(number)) for number in range(8)))

    assert len(shop.batches) == before + 1


async def test_one_refused_order_takes_no_other_with_it() -> None:
    shop = FakeShop()
    shop.bad["7"] = Rejected("no such id")
    orders = reader(shop)

    answers = await asyncio.gather(*(orders.read(str(number)) for number in range(20)), return_exceptions=True)

    assert [number for number, answer in enumerate(answers) if isinstance(answer, Exception)] == [7]


async def test_an_order_too_large_by_itself_is_an_error_of_its_own() -> None:
    shop = FakeShop()
    shop.bad["7"] = QueryTooLarge("the answer is too large")
    orders = reader(shop)

    answers = await asyncio.gather(*(orders.read(str(number)) for number in range(20)), return_exceptions=True)

    assert [type(answer) for answer in answers if isinstance(answer, Exception)] == [QueryTooLarge]


@pytest.mark.parametrize("error", [TargetDown("away"), RuntimeError("a bug")], ids=["an outage", "a bug"])
async def test_an_error_reaches_everyone_who_shared_the_query(error: Exception) -> None:
    shop = FakeShop()
    shop.bad["1"] = error
    orders = reader(shop)

    answers = await asyncio.gather(*(orders.read(str(number)) for number in range(5)), return_exceptions=True)

    assert answers == [error] * 5


async def test_a_missing_order_is_none() -> None:
    shop = FakeShop()
    shop.missing.add("1")

    assert await reader(shop).read("1") is None


async def test_one_who_gives_up_does_not_disturb_the_others() -> None:
    shop = FakeShop()
    shop.gate.clear()
    orders = reader(shop)
    first, second = asyncio.create_task(orders.read("1")), asyncio.create_task(orders.read("2"))
    await shop.arrived.acquire()
    first.cancel()
    shop.gate.set()

    assert (await second or {})["id"] == "gid://shopify/Order/2"
    assert first.cancelled() or first.cancelling()


async def test_closing_cancels_what_is_under_way_and_what_waits() -> None:
    shop = FakeShop(max_units=1)
    shop.gate.clear()
    orders = reader(shop)
    asked = [asyncio.create_task(orders.read(str(number))) for number in range(5)]
    await shop.arrived.acquire()
    await shop.arrived.acquire()

    await orders.close()
    await asyncio.wait(asked)

    assert all(task.cancelled() for task in asked)


async def test_an_order_read_a_moment_ago_waits_for_company() -> None:
    shop = FakeShop()
    orders = OrderReader(shop, window_seconds=0.005, maximum=100, reread_window_seconds=30.0)
    await orders.read("1")

    again = asyncio.create_task(orders.read("1"))
    await asyncio.sleep(0)
    await orders.read("2")
    await again

    assert [sorted(batch) for batch in shop.batches] == [["1"], ["1", "2"]]


async def test_an_order_read_a_moment_ago_is_read_again_though_nobody_comes() -> None:
    shop = FakeShop()
    orders = OrderReader(shop, window_seconds=0.005, maximum=100, reread_window_seconds=0.02)
    await orders.read("1")
    await orders.read("1")

    assert shop.batches == [["1"], ["1"]]


def test_what_was_read_long_ago_is_forgotten() -> None:
    again = RecentReads(1.0)
    again.note("1", 0.0)
    again.note("2", 100.0)

    assert not again.holds("1", 100.0)
    assert again.holds("2", 100.0)


async def test_one_order_that_shopify_cannot_show_takes_no_other_with_it() -> None:
    shop, asked = FakeShop(), list[frozenset[str]]()
    shop.bad["7"] = TargetDown("INTERNAL_SERVER_ERROR", answered=True)
    execute = shop.execute

    async def noting(document: Document, variables: Mapping[str, Any], context: CallContext) -> dict[str, Any]:
        asked.append(context.subjects)
        return await execute(document, variables, context)

    shop.execute = noting  # type: ignore[method-assign]
    orders = reader(shop)

    answers = await asyncio.gather(*(orders.read(str(number)) for number in range(20)), return_exceptions=True)

    assert [number for number, answer in enumerate(answers) if isinstance(answer, Exception)] == [7]
    assert asked == [frozenset(batch) for batch in shop.batches], "the breaker is told whom each query concerns"


async def test_a_shop_that_does_not_answer_is_not_asked_by_halves() -> None:
    shop = FakeShop()
    shop.bad["7"] = TargetDown("TimeoutError")

    orders = reader(shop)

    await asyncio.gather(*(orders.read(str(number)) for number in range(20)), return_exceptions=True)

    assert len(shop.batches) == 1
