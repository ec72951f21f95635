"""A fulfilment whose answer did not come is looked up, and given back only when it would show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import pytest

from shared.connectors.shopify.document import Document
from shared.entities.fulfilment.shopify.allocation import AllocatedUnits
from shared.entities.fulfilment.to_shopify.in_doubt import InDoubtCalls
from shared.errors import TargetDown
from shared.limits.call_context import LIVE, CallContext
from shared.state.ledger import Effect
from tests.support.clock import FakeClock
from tests.support.memory_ledger import MemoryLedger

LAG = 10.0
NO_MORE = {"hasNextPage": False, "endCursor": None}


def effect(number: int = 1) -> Effect:
    return Effect("main", "shopify", "fulfilment", "5001", f"fulfilment:10:{number}")


def intent(quantity: int = 2) -> dict[str, Any]:
    part = AllocatedUnits("fo", "line", "order-line", "loc", "TEE", quantity)
    return {"parts": [asdict(part)], "tracking": {}, "before": ["old"], "version": "1"}


class FakeShop:
    """Shows the fulfilments of order 5001: id -> units."""

    def __init__(self, **made: int) -> None:
        self.made = made
        self.read: list[str] = []

    async def execute(self, document: Document, variables: Mapping[str, Any], context: CallContext) -> dict[str, Any]:
        self.read.append(variables["id"])
        return {"order": {"fulfillments": [_shown(name, units) for name, units in self.made.items()]}}


def _shown(name: str, units: int) -> dict[str, Any]:
    lines = [{"lineItem": {"id": "order-line"}, "quantity": units}]
    return {
        "id": name,
        "status": "SUCCESS",
        "trackingInfo": [],
        "fulfillmentLineItems": {"nodes": lines, "pageInfo": NO_MORE},
    }


class Bench:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.ledger = MemoryLedger(self.clock)
        self.doubts = InDoubtCalls(self.ledger, self.clock, LAG)  # type: ignore[arg-type]

    async def sent(self, *effects: Effect, quantity: int = 2) -> None:
        for one in effects:
            await self.ledger.claim(one, intent(quantity))

    async def settle(self, shop: FakeShop, *effects: Effect, known: tuple[str, ...] = ()) -> None:
        doubtful = {one: await self.ledger.claim(one) for one in effects}
        await self.doubts.settle(doubtful, "5001", shop, known, LIVE)  # type: ignore[arg-type]


async def test_what_is_found_is_done_with_what_it_was_sent_with() -> None:
    bench, shop = Bench(), FakeShop(new=2)
    await bench.sent(effect())

    await bench.settle(shop, effect())

    claim = await bench.ledger.claim(effect())
    assert (claim.state, claim.result) == ("done", {**intent(), "fulfilment": "new"})
    assert shop.read == ["gid://shopify/Order/5001"]


@pytest.mark.parametrize(
    ("shop", "known"),
    [(FakeShop(old=2), ()), (FakeShop(new=3), ()), (FakeShop(new=2), ("new",)), (FakeShop(), ())],
    ids=["was there before", "holds other units", "is another call's", "nothing"],
)
async def test_what_does_not_show_is_given_back_once_it_would(shop: FakeShop, known: tuple[str, ...]) -> None:
    bench = Bench()
    await bench.sent(effect())
    bench.clock.advance(LAG - 1)

    with pytest.raises(TargetDown) as early:
        await bench.settle(shop, effect(), known=known)
    assert early.value.after == pytest.approx(1.0)
    assert bench.ledger.states() == {effect().operation: "in_doubt"}

    bench.clock.advance(1)
    await bench.settle(shop, effect(), known=known)
    assert bench.ledger.states() == {effect().operation: "failed"}


async def test_two_calls_alike_do_not_both_find_the_same() -> None:
    bench = Bench()
    await bench.sent(effect(1), effect(2))
    bench.clock.advance(LAG)

    await bench.settle(FakeShop(new=2), effect(1), effect(2))

    assert bench.ledger.states() == {effect(1).operation: "done", effect(2).operation: "failed"}


async def test_a_lost_answer_begins_the_lag_anew() -> None:
    bench = Bench()
    await bench.sent(effect())
    bench.clock.advance(30)
    bench.doubts.lost(effect())
    bench.clock.advance(4)

    with pytest.raises(TargetDown) as early:
        await bench.settle(FakeShop(), effect())
    assert early.value.after == pytest.approx(6.0)

    bench.clock.advance(6)
    await bench.settle(FakeShop(), effect())
    assert bench.ledger.states() == {effect().operation: "failed"}


async def test_a_former_owners_call_may_have_waited_for_its_turn_until_the_order_changed_hands() -> None:
    bench = Bench()
    await bench.sent(effect())
    seen = await bench.ledger.claim(effect())
    bench.clock.advance(60)
    taken_at = bench.clock.now()
    bench.clock.advance(4)

    with pytest.raises(TargetDown) as early:
        await bench.doubts.settle({effect(): seen}, "5001", FakeShop(), (), LIVE, taken_at)  # type: ignore[arg-type]

    assert early.value.after == pytest.approx(6.0)


async def test_what_another_process_sends_anew_is_not_given_back() -> None:
    bench = Bench()
    await bench.sent(effect())
    seen = await bench.ledger.claim(effect())
    bench.clock.advance(LAG)
    await bench.ledger.again(effect(), seen)

    with pytest.raises(TargetDown, match="another process") as beaten:
        await bench.doubts.settle({effect(): seen}, "5001", FakeShop(), (), LIVE)  # type: ignore[arg-type]

    assert beaten.value.after == LAG
    assert bench.ledger.states() == {effect().operation: "in_doubt"}


async def test_a_settled_call_is_lost_no_longer() -> None:
    bench = Bench()
    await bench.sent(effect())
    bench.doubts.lost(effect())
    bench.clock.advance(LAG)
    await bench.settle(FakeShop(), effect())

    assert bench.doubts._lost == {}
