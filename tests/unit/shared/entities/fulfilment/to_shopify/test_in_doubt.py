"""A call whose answer did not come is looked up by what it was sent with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import pytest

from shared.connectors.shopify.document import Document
from shared.entities.fulfilment.shopify.allocation import AllocatedUnits, FulfilmentCall
from shared.entities.fulfilment.to_shopify.actual import ShipmentReader
from shared.entities.fulfilment.to_shopify.desired import DesiredShipment
from shared.entities.fulfilment.to_shopify.in_doubt import find_fulfilment, find_tracking
from shared.errors import TargetDown
from shared.limits.call_context import LIVE, CallContext
from shared.state.ledger import Effect
from shared.sync.create_once import CreateOnce, ReadLag
from shared.sync.unit_of_work import UnitOfWork
from tests.support.clock import FakeClock
from tests.support.memory_ledger import MemoryLedger
from tests.support.memory_state import MemoryAtomicWriter, Points, Stored
from tests.support.shipments import SHIPPED_AT

LAG = 10.0
NO_MORE = {"hasNextPage": False, "endCursor": None}
PART = AllocatedUnits("fo", "line", "order-line", "loc", "TEE", 2)
CALL = FulfilmentCall((PART,), {}, ("old",))
INTENT = {"parts": [asdict(PART)], "tracking": {}, "before": ["old"], "version": "1"}
DESIRED = DesiredShipment("10", "5001", (), {}, SHIPPED_AT, notify=False, location="")


def effect(number: int = 1) -> Effect:
    return Effect("main", "shopify", "fulfilment", "5001", f"fulfilment:10:{number}")


class FakeShop:
    """Shows the fulfilments of order 5001: id -> units."""

    def __init__(self, **made: int) -> None:
        self.made = made
        self.tracking: dict[str, str] = {}
        self.read: list[str] = []

    async def execute(self, document: Document, variables: Mapping[str, Any], context: CallContext) -> dict[str, Any]:
        self.read.append(variables["id"])
        return {"order": {"fulfillments": [self._shown(name, units) for name, units in self.made.items()]}}

    def _shown(self, name: str, units: int) -> dict[str, Any]:
        lines = [{"lineItem": {"id": "order-line"}, "quantity": units}]
        return {
            "id": name,
            "status": "SUCCESS",
            "trackingInfo": [{"number": self.tracking[name]}] if name in self.tracking else [],
            "fulfillmentLineItems": {"nodes": lines, "pageInfo": NO_MORE},
        }


@pytest.mark.parametrize(
    ("shop", "known", "found"),
    [
        pytest.param(FakeShop(new=2), (), "new", id="what it was sent with"),
        pytest.param(FakeShop(old=2), (), None, id="was there before"),
        pytest.param(FakeShop(new=3), (), None, id="holds other units"),
        pytest.param(FakeShop(new=2), ("new",), None, id="is another call's"),
        pytest.param(FakeShop(), (), None, id="nothing"),
    ],
)
async def test_a_fulfilment_is_known_by_what_its_call_was_sent_with(
    shop: Any, known: tuple[str, ...], found: str | None
) -> None:
    assert await find_fulfilment(shop, "5001", CALL, known, LIVE) == found
    assert shop.read == ["gid://shopify/Order/5001"]


@pytest.mark.parametrize(
    ("tracking", "found"),
    [
        pytest.param({"new": "1Z9"}, "new", id="shown"),
        pytest.param({"new": "1Z8"}, None, id="another number"),
        pytest.param({}, None, id="none"),
        pytest.param({"other": "1Z9"}, None, id="on another fulfilment"),
    ],
)
async def test_tracking_is_found_where_it_is_shown(tracking: dict[str, str], found: str | None) -> None:
    shop: Any = FakeShop(new=2, other=2)
    shop.tracking = tracking

    assert await find_tracking(shop, "5001", "new", {"number": "1Z9"}, LIVE) == found


class Process:
    """One attempt at the shipments of order 5001."""

    def __init__(self, shop: FakeShop) -> None:
        self.clock, self.stored = FakeClock(), Stored()
        self.ledger: Any = MemoryLedger(self.clock, self.stored)
        self.writer: Any = MemoryAtomicWriter(self.stored, self.ledger, Points())
        self.shop: Any = shop
        create_once = CreateOnce(self.ledger, self.clock)
        work = UnitOfWork(("main", "fulfilment", "5001"), self.writer)
        self.reader = ShipmentReader(
            "main", "5001", self.shop, self.ledger, create_once, ReadLag(LAG), work, LIVE
        )  # fmt: skip

    async def sent(self, *effects: Effect) -> None:
        for one in effects:
            await self.ledger.claim(one, INTENT)


async def test_what_is_found_is_done_with_what_it_was_sent_with() -> None:
    process = Process(FakeShop(new=2))
    await process.sent(effect())

    there = await process.reader.read(DESIRED)

    claim = await process.ledger.claim(effect())
    assert (claim.state, claim.result) == ("done", {**INTENT, "id": "new"})
    assert (there.history.invoice_fulfilments(), there.history.allocated()) == (["new"], [PART])


async def test_what_does_not_show_is_given_back_once_it_would() -> None:
    process = Process(FakeShop())
    await process.sent(effect())
    process.clock.advance(LAG - 1)

    with pytest.raises(TargetDown) as early:
        await process.reader.read(DESIRED)
    assert early.value.after == pytest.approx(1.0)
    assert process.ledger.states() == {effect().operation: "in_doubt"}

    process.clock.advance(1)
    await process.reader.read(DESIRED)
    assert process.ledger.states() == {effect().operation: "failed"}


async def test_two_calls_alike_do_not_both_find_the_same() -> None:
    process = Process(FakeShop(new=2))
    await process.sent(effect(1), effect(2))
    process.clock.advance(LAG)

    await process.reader.read(DESIRED)

    assert process.ledger.states() == {effect(1).operation: "done", effect(2).operation: "failed"}


async def test_without_calls_in_doubt_nothing_is_looked_up() -> None:
    process = Process(FakeShop(new=2))

    there = await process.reader.read(DESIRED)

    assert (process.shop.read, there.order) == ([], {})
