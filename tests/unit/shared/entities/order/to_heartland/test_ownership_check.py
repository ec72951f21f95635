"""Two processes at one order or buyer: a call of the first waits for its turn until the second has done the work."""

from __future__ import annotations

import asyncio

import pytest

from shared.entities.order.event import OrderEvent
from shared.entities.order.record import Order
from shared.errors import TargetDown
from shared.sync.sync import Sync
from tests.support.orders import an_order
from tests.unit.shared.entities.order.to_heartland.shop import Shop, a_record


class Pair:
    """`slow` waits at the call `at` until `go`; `other` does not."""

    def __init__(self, at: str) -> None:
        self.shop = Shop(lag_seconds=10.0)
        self.at, self.reached, self.go = at, asyncio.Event(), asyncio.Event()
        self.slow = self._process(slow=True)
        self.other = self._process(slow=False)
        self.shop.clock.advance(60)

    def _process(self, *, slow: bool) -> Sync[OrderEvent]:
        there = self.shop.heartland
        if slow:
            self.shop.heartland = there.waiting(self._turn)
        _, orders = self.shop.a_process()
        self.shop.heartland = there
        return orders

    async def _turn(self, call: str) -> None:
        if call == self.at:
            self.reached.set()
            await self.go.wait()

    async def work(self, orders: Sync[OrderEvent], order: Order) -> None:
        """As the consumer does: again after the wait that is asked for."""
        for _ in range(12):
            try:
                await orders.handle([a_record(order)])
            except TargetDown as error:
                self.shop.clock.advance(error.after or 0.5)
            else:
                return
        raise AssertionError("never done")


async def test_a_buyer_whose_create_waits_for_its_turn_becomes_one_customer() -> None:
    pair = Pair(at="POST customers")
    slow = asyncio.create_task(pair.slow.handle([a_record(an_order())]))
    await pair.reached.wait()

    await pair.work(pair.other, an_order(id="5002", name="#1002"))
    pair.go.set()

    with pytest.raises(TargetDown, match="settled elsewhere"):
        await slow
    assert len(pair.shop.heartland.all("customers")) == 1


@pytest.mark.parametrize(
    ("at", "table"),
    [("POST orders", "orders"), ("POST payments", "payments"), ("POST lines", "lines"), ("POST taxes", "taxes")],
)
async def test_who_slept_while_another_took_the_order_over_writes_nothing_more(at: str, table: str) -> None:
    pair, order = Pair(at), an_order()
    slow = asyncio.create_task(pair.slow.handle([a_record(order)]))
    await pair.reached.wait()

    pair.shop.clock.advance(31)
    pair.shop.partition_taken_at = pair.shop.clock.now()
    await pair.work(pair.other, order)
    written = len(pair.shop.heartland.all(table))
    pair.go.set()

    with pytest.raises(TargetDown):
        await slow
    assert len(pair.shop.heartland.all(table)) == written


async def test_who_waits_long_for_its_turns_alone_writes_all_of_it() -> None:
    shop = Shop(lag_seconds=10.0)
    shop.partition_taken_at = shop.clock.now()
    shop.clock.advance(60)

    async def turn(_: str) -> None:
        shop.clock.advance(40)

    shop.heartland.turn = turn
    await shop.deliver(an_order())

    assert (len(shop.heartland.all("orders")), len(shop.heartland.all("customers"))) == (1, 1)
