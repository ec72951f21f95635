"""Every call of the Shopify writer breaks once: shipments are fulfilled once; and no await is left out."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest

from shared.entities.fulfilment.record import Fulfilment
from shared.entities.order.to_shopify.link_sync import LinkInShopify, LinkWriters
from shared.entities.spec import load
from shared.entities.table import writers
from shared.errors import OutcomeUnknown, RetryLater, TargetDown
from shared.sync.sync import Sync
from tests.integration.way_back.broken import BrokenAtomicWriter, BrokenClient, BrokenLedger, Points
from tests.support.awaits import Awaits
from tests.support.clock import FakeClock
from tests.support.memory_ledger import MemoryLedger
from tests.support.memory_state import MemoryAtomicWriter, Stored
from tests.support.memory_state import Points as Unbroken
from tests.support.sandbox import Sandbox, open_sandbox
from tests.support.shipments import Shop, a_shipment, shipped
from tests.unit.services.shopify_writer.test_writer import FakeShops, a_link_record
from tests.unit.shared.entities.order.to_shopify.test_link import FakeShop, owner

# What the service opens for each entity. Its awaits are calls to Shopify or to the database, or lead to one.
WRITERS = [load(name) for name in writers("shopify")]
# Nothing is called there: these writers have no version gate and no links, publish nothing, tell of no connection, hold
# each claim before they use it, and ask for no history of creates.
NOT_THERE = {
    "shared.sync.create_once:CreateOnce.__call__: "
    "await (self._ledger.claim(effect, intent) if work is None else work.claimed(effect, intent))",
    "shared.sync.create_once:CreateOnce.__call__: await self._ledger.done(effect, result)",
    "shared.sync.create_once:CreateOnce.history: await self._ledger.of_key(connection, entity, key)",
    "shared.sync.misconfigured:ConnectionReviews.close",
    "shared.sync.misconfigured:ConnectionReviews.open",
    "shared.sync.sync:Sync._claim: await work.store()",
    "shared.sync.sync:Sync._settle: await sync.publish(",
    "shared.sync.sync:Sync._state",
    "shared.sync.sync:Sync._write: await self._connections",
    "shared.sync.sync:Sync.handle: await self._state(event)",
    "shared.sync.sync:Sync.handle: await self._writer.write(",
    "shared.sync.unit_of_work:UnitOfWork.claimed: await self.claim(",
    # The wait in which links are collected.
    "shared.entities.order.to_shopify.link:LinkWriter._flush: await asyncio.sleep(wait)",
}
ANNEX = 900001
LAG_SECONDS = 10.0


def always(_: str) -> bool:
    return True


def writes(name: str) -> bool:
    return name in ("CreateFulfilment", "UpdateTracking")


# What breaks, at which calls, and whether before or after the call has its effect.
BREAKS: dict[str, tuple[Callable[[], BaseException], Callable[[str], bool], bool]] = {
    "target down before a call": (lambda: TargetDown("away"), always, False),
    "no answer to a write that was applied": (lambda: OutcomeUnknown("no answer"), writes, True),
    "no answer to a write that was not applied": (lambda: OutcomeUnknown("no answer"), writes, False),
    "killed before a call": (asyncio.CancelledError, always, False),
    "killed after a call": (asyncio.CancelledError, always, True),
}


class SlowPoints(Points):
    """Each call waits three seconds for its turn: a claim is older than that when its request goes out."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock

    async def at(self, name: str, call: Callable[[], Awaitable[Any]]) -> Any:
        self._clock.advance(3)
        return await super().at(name, call)


class NamelessClient(BrokenClient):
    """Shopify does not say which fulfilment it made."""

    async def execute(self, *given: Any) -> dict[str, Any]:
        data = await super().execute(*given)
        if data.get("fulfillmentCreate"):
            data["fulfillmentCreate"]["fulfillment"] = None
        return data


@dataclass(frozen=True)
class Road:
    """Shipments of one order, each with how much later it was noticed; the last one breaks."""

    shipments: list[tuple[Fulfilment, float]]
    lines: int = 1
    places: int = 1
    slow: bool = False
    client: type[BrokenClient] = BrokenClient


TEE = shipped("SKU-1", 1)
# Lines on several pages.
MANY = [shipped(f"SKU-{number}", 1) for number in range(1, 41)]
ROADS = {
    "a part of an order": Road([(a_shipment(TEE), 0)]),
    "two locations": Road([(a_shipment(shipped("SKU-1", 3)), 0)], places=2),
    "later tracking": Road([(a_shipment(TEE), 0), (a_shipment(TEE, tracking="1Z9"), 60)]),
    "calls that wait long": Road([(a_shipment(TEE), 0), (a_shipment(TEE, tracking="1Z9"), 60)], slow=True),
    "many lines": Road([(a_shipment(*MANY), 0)], lines=40),
    "many fulfilment orders": Road([(a_shipment(shipped("SKU-1", 14)), 0)], places=7),
    "an answer without an id": Road([(a_shipment(TEE), 0)], client=NamelessClient),
}


class World:
    """One sandbox for all tries; each try has an order of its own."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self._numbers = count(6001)

    async def prepare(self) -> None:
        shop = Shop(self.sandbox)
        for number in range(1, 7):
            await self.sandbox.control("POST", "/shopify/locations", {"id": ANNEX + number, "name": f"Annex {number}"})
        await shop.place(("TEE", 1), order=1)
        self.home = int((await shop.picture(1))["fulfillment_orders"][0]["location_id"])

    async def shop(self, road: Road) -> tuple[Shop, Points, int]:
        clock, stored = FakeClock(), Stored()
        points = SlowPoints(clock) if road.slow else Points()
        memory = MemoryLedger(clock, stored)
        writer: Any = MemoryAtomicWriter(stored, memory, Unbroken())
        ledger: Any = memory
        shop = Shop(
            self.sandbox, BrokenLedger(ledger, points), clock, LAG_SECONDS, BrokenAtomicWriter(writer, points)
        )  # fmt: skip
        order = next(self._numbers)
        shop.client = road.client(shop.client, points, self.sandbox, clock, 0.0)
        shop.at = points.at
        places = (self.home, *range(ANNEX + 1, ANNEX + 7))[: road.places]
        lines = [(f"SKU-{number}", 2 * road.places) for number in range(1, road.lines + 1)]
        at = [{"location_id": place, "line_items": self._lines(order, len(lines))} for place in places]
        await shop.place(*lines, order=order, fulfillment_orders=at)
        return shop, points, order

    @staticmethod
    def _lines(order: int, lines: int) -> list[dict[str, int]]:
        return [{"line_item_id": order * 10 + number, "quantity": 2} for number in range(1, lines + 1)]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with open_sandbox(sandbox_plan="unlimited") as sandbox:
        opened = World(sandbox)
        await opened.prepare()
        yield opened


async def deliver_until_done(shop: Shop, record: Fulfilment, later: float) -> None:
    """As the consumer does: again until it is done, after a rest; in a new process where that was killed."""
    for _ in range(20):
        try:
            await shop.ship(record, later)
            return
        except asyncio.CancelledError:
            shop.restart()
            shop.clock.advance(1)
        except RetryLater as error:
            shop.clock.advance(max(error.after or 0.0, 0.5))
    raise AssertionError("it never ends")


async def deliver_breaking(world: World, name: str, why: str, number: int) -> tuple[Points, list[dict[str, Any]]]:
    """The last shipment of a road, whose call of this number breaks; and what Shopify then has."""
    road, (error, breaks, after) = ROADS[name], BREAKS[why]
    shop, points, order = await world.shop(road)
    *before, (last, later) = [(record.model_copy(update={"order_id": str(order)}), at) for record, at in road.shipments]
    for record, at in before:
        await deliver_until_done(shop, record, at)
        shop.clock.advance(LAG_SECONDS)
    points.passed.clear()

    def strike(at: int, call: str, is_after: bool) -> None:
        if at == number and is_after == after and breaks(call):
            raise error()

    points.strike = strike
    await deliver_until_done(shop, last, later)
    return points, await shop.fulfilments(order)


def check(name: str, fulfilments: list[dict[str, Any]]) -> None:
    last, _ = ROADS[name].shipments[-1]
    units = sum(line["quantity"] for row in fulfilments for line in row["line_items"])
    assert units == sum(line.quantity for line in last.lines)
    assert len(fulfilments) == ROADS[name].places
    assert {row["tracking_number"] or "" for row in fulfilments} == {last.tracking_number}


@pytest.mark.parametrize("why", list(BREAKS))
@pytest.mark.parametrize("road", list(ROADS))
async def test_whatever_call_breaks_it_is_fulfilled_once(world: World, road: str, why: str) -> None:
    for number in count(1):
        points, fulfilments = await deliver_breaking(world, road, why, number)
        try:
            check(road, fulfilments)
        except AssertionError as failure:
            raise AssertionError(f"{road}, {why}, call {number}: {points.passed}") from failure
        if len(points.passed) < number:
            assert number > 3
            return


# No await is left out.


def _passed_through(awaits: Awaits, at: Callable[..., Any]) -> Callable[..., Any]:
    async def noting(self: Any, *given: Any) -> Any:
        awaits.note(sys._getframe(1))
        return await at(self, *given)

    return noting


async def write_links() -> None:
    """Three of one moment, one of which Shopify refuses."""
    shop = FakeShop()
    shop.refused = {owner(8)}
    shop_of: Any = FakeShops(shop).get
    writer: Any = MemoryAtomicWriter(Stored(), MemoryLedger(FakeClock()), Unbroken())
    links = Sync(LinkInShopify(shop_of, LinkWriters(0.001)), writer=writer, clock=FakeClock())
    ended = await asyncio.gather(*(links.handle([a_link_record(one)]) for one in (7, 8, 9)), return_exceptions=True)
    assert [isinstance(one, RetryLater) for one in ended] == [False, True, False]


async def test_every_await_is_tried_as_a_crash_point(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    awaits = Awaits(*WRITERS, packages=("shared.sync", "shared.entities"))
    monkeypatch.setattr(Points, "at", _passed_through(awaits, Points.at))
    monkeypatch.setattr(FakeShop, "execute", _passed_through(awaits, FakeShop.execute))

    for road in ROADS:
        for why in list(BREAKS)[:3]:
            for number in count(1):
                points, _ = await deliver_breaking(world, road, why, number)
                if len(points.passed) < number:
                    break
    await write_links()

    missed = [one for one in awaits.missed() if not one.startswith(tuple(NOT_THERE))]
    assert not missed, "\n".join(missed)
