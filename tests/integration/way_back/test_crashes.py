"""Whatever breaks while a shipment is carried out, and however: one fulfilment per invoice and location."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from itertools import count
from typing import Any

import pytest

from shared.entities.fulfilment.record import Fulfilment
from shared.errors import OutcomeUnknown, RetryLater, TargetDown
from shared.state.atomic_write import AtomicWriter
from shared.state.database import Database
from shared.state.ledger import Ledger
from tests.integration.way_back.broken import BrokenAtomicWriter, BrokenClient, BrokenLedger, Points
from tests.support.clock import FakeClock
from tests.support.sandbox import Sandbox, open_sandbox
from tests.support.shipments import Shop, a_shipment, shipped

ANNEX = 900002
LAG_SECONDS = 8.0


def lost() -> BaseException:
    return OutcomeUnknown("no answer")


def down() -> BaseException:
    return TargetDown("away")


def writes(name: str) -> bool:
    return name in ("CreateFulfilment", "UpdateTracking")


def anything(name: str) -> bool:
    return True


# What breaks, at which calls, and whether before or after the call has its effect.
BREAKS: dict[str, tuple[Callable[[], BaseException], Callable[[str], bool], bool]] = {
    "killed before a call": (asyncio.CancelledError, anything, False),
    "killed after a call": (asyncio.CancelledError, anything, True),
    "target down before a call": (down, anything, False),
    "no answer to a write that was not applied": (lost, writes, False),
    "no answer to a write that was applied": (lost, writes, True),
}


class Harness:
    """One sandbox and one database for all the tries of a test; each try has an order of its own."""

    def __init__(self, sandbox: Sandbox, database: Database, clock: FakeClock, lag: float) -> None:
        self.sandbox, self.clock, self.lag = sandbox, clock, lag
        self._ledger, self._writer = Ledger(database, clock), AtomicWriter(database, clock)
        self._numbers = count(6001)

    async def shop(self, points: Points, locations: int) -> tuple[Shop, int]:
        ledger, writer = BrokenLedger(self._ledger, points), BrokenAtomicWriter(self._writer, points)
        shop = Shop(self.sandbox, ledger, self.clock, LAG_SECONDS + 2, writer)
        order = next(self._numbers)
        line = order * 10 + 1
        places = (self.home, ANNEX)[:locations]
        at = [{"location_id": harness, "line_items": [{"line_item_id": line, "quantity": 2}]} for harness in places]
        await shop.place(("TEE", 2 * locations), order=order, fulfillment_orders=at)
        shop.client = BrokenClient(shop.client, points, self.sandbox, self.clock, self.lag)
        return shop, order

    async def prepare(self) -> None:
        shop = Shop(self.sandbox)
        await self.sandbox.control("POST", "/shopify/locations", {"id": ANNEX, "name": "Annex"})
        await shop.place(("TEE", 1), order=1)
        self.home = int((await shop.picture(1))["fulfillment_orders"][0]["location_id"])


@pytest.fixture(params=[0.0, LAG_SECONDS], ids=["reads are current", "reads lag by 8 s"])
async def harness(request: pytest.FixtureRequest, database_url: str) -> AsyncIterator[Harness]:
    clock = FakeClock()
    async with (
        Database.open(database_url, 2) as database,
        open_sandbox(sandbox_plan="unlimited") as sandbox,
    ):
        opened = Harness(sandbox, database, clock, request.param)
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


Check = Callable[[list[dict[str, Any]]], None]


async def every_break(
    harness: Harness, why: str, locations: int, shipments: list[tuple[Fulfilment, float]], ok: Check
) -> None:
    """The last of the shipments breaks at its first call, its second call, ... ; those before it go in peace."""
    error, breaks, after = BREAKS[why]
    for number in count(1):
        points = Points()
        shop, order = await harness.shop(points, locations)
        *before, (last, later) = [(record.model_copy(update={"order_id": str(order)}), at) for record, at in shipments]
        for record, at in before:
            await deliver_until_done(shop, record, at)
            harness.clock.advance(LAG_SECONDS)
        points.passed.clear()
        hit: list[str] = []

        def strike(at: int, name: str, is_after: bool, number: int = number, hit: list[str] = hit) -> None:
            if at == number and is_after == after and breaks(name):
                hit.append(name)
                raise error()

        points.strike = strike
        await deliver_until_done(shop, last, later)
        try:
            ok(await shop.fulfilments(order))
        except AssertionError as failure:
            raise AssertionError(f"{why}, call {number} {hit}: {points.passed}") from failure
        if len(points.passed) < number:
            assert number > 3
            return


HOW = pytest.mark.parametrize("why", list(BREAKS))


def units(fulfilments: list[dict[str, Any]]) -> list[int]:
    return [line["quantity"] for row in fulfilments for line in row["line_items"]]


@HOW
async def test_a_part_of_an_order_is_fulfilled_once(harness: Harness, why: str) -> None:
    """Two were ordered and one ships: a second call would find units left."""

    def ok(fulfilments: list[dict[str, Any]]) -> None:
        assert units(fulfilments) == [1]

    await every_break(harness, why, 1, [(a_shipment(shipped("TEE", 1)), 0)], ok)


@HOW
async def test_a_second_invoice_of_the_same_units_is_told_from_the_first(harness: Harness, why: str) -> None:
    def ok(fulfilments: list[dict[str, Any]]) -> None:
        assert units(fulfilments) == [1, 1]

    shipments = [(a_shipment(shipped("TEE", 1), id=number), 0.0) for number in ("1", "2")]
    await every_break(harness, why, 1, shipments, ok)


@HOW
async def test_each_of_two_locations_fulfils_once(harness: Harness, why: str) -> None:
    def ok(fulfilments: list[dict[str, Any]]) -> None:
        assert sorted(units(fulfilments)) == [1, 2]
        assert len({row["location_id"] for row in fulfilments}) == 2

    await every_break(harness, why, 2, [(a_shipment(shipped("TEE", 3)), 0)], ok)


@HOW
async def test_later_tracking_arrives(harness: Harness, why: str) -> None:
    def ok(fulfilments: list[dict[str, Any]]) -> None:
        assert units(fulfilments) == [1]
        assert [row["tracking_number"] for row in fulfilments] == ["1Z9"]

    shipments = [(a_shipment(shipped("TEE", 1)), 0.0), (a_shipment(shipped("TEE", 1), tracking="1Z9"), 60.0)]
    await every_break(harness, why, 1, shipments, ok)


async def test_two_processes_with_the_same_shipment_fulfil_it_once(harness: Harness) -> None:
    """A rebalance: the old owner of the key does not know yet that it is no longer its."""
    for _ in range(10):
        shop, order = await harness.shop(Points(), 1)
        other = Shop(harness.sandbox, shop.ledger, harness.clock, LAG_SECONDS, shop.writer)
        other.client = shop.client
        record = a_shipment(shipped("TEE", 1), order_id=str(order))

        await asyncio.gather(deliver_until_done(shop, record, 0), deliver_until_done(other, record, 0))

        assert units(await shop.fulfilments(order)) == [1]
