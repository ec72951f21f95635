"""The rarer roads through the writer, broken at every call too; and proof that no await of theirs is left out."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from shared.connectors.heartland.errors import Refused
from shared.entities.order.record import Customer, Order
from shared.entities.spec import load
from shared.entities.table import writers
from shared.state.links import LinkRow
from tests.support.awaits import Awaits
from tests.support.memory_state import START, Points
from tests.support.orders import an_order
from tests.unit.shared.entities.order.to_heartland.shop import Shop
from tests.unit.shared.entities.order.to_heartland.test_crashes import BREAKS, cancelled, edited, rich_order

# What the service opens for each entity. Its awaits are calls to Heartland or to the database, or lead to one.
WRITERS = [load(name) for name in writers("heartland")]
# A wait for the end of the window in which look-ups are collected; nothing is called in it.
QUIET = {"shared.sync.batch_lookup:BatchLookup._drain: await asyncio.sleep(self._window)"}
Prepare = Callable[[Shop], object]


def without_its_second_line(order: Order) -> Order:
    gone = order.lines[1].model_copy(update={"removed": 1, "current_quantity": 0})
    return order.model_copy(update={"lines": (order.lines[0], gone), "updated_at": edited(order).updated_at})


def echo_of(order: Order) -> Order:
    """The same content, later."""
    return order.model_copy(update={"updated_at": edited(order).updated_at})


def a_known_buyer(shop: Shop) -> None:
    shop.heartland.insert("customers", {"email": "ada@example.com", "first_name": "Ada", "last_name": "?"})
    shop.clock.advance(60)


def numbers_are_taken(shop: Shop) -> None:
    shop.heartland.insert("orders", {"public_id": "S-1001", "customer_id": 1, "status": "open"})
    taken = Refused("taken", code="validation_error", status=400, details={"public_id": ("has already been taken",)})
    shop.heartland.refuses = lambda call, body: (
        taken if call == "POST orders" and body.get("public_id") == "S-1001" else None
    )


def a_number_is_taken(shop: Shop) -> None:
    shop.heartland.insert("orders", {"public_id": "S-1001", "customer_id": 1, "status": "open"})
    shop.clock.advance(60)


def nothing_is_named(shop: Shop) -> None:
    shop.heartland.names_what_it_makes = False


def calls_wait_for_their_turn(shop: Shop) -> None:
    """Three seconds each: a claim is older than that when its call goes out."""

    async def late(name: str, do: Callable[[], Any]) -> Any:
        shop.clock.advance(3)
        return await Points.at(shop.points, name, do)

    shop.points.at = late  # type: ignore[method-assign]
    shop.restart()


def the_connection_is_unclear(shop: Shop) -> None:
    """Nothing says where web orders are booked, until a person was told."""
    shop.heartland.made_locations = []

    async def told(name: str, do: Callable[[], Any]) -> Any:
        if name == "reviews.open":
            shop.heartland.made_locations = shop.locations
        return await Points.at(shop.points, name, do)

    shop.points.at = told  # type: ignore[method-assign]
    shop.restart()


async def the_buyer_is_deleted(shop: Shop) -> None:
    """After an order of theirs; its link is lost."""
    await shop.deliver_until_done(an_order(id="5000", name="#1000", customer=guest, tenders=()))
    shop.heartland.table("customers").rows.clear()
    shop.heartland.table("orders").rows.clear()
    shop.stored.links.clear()
    shop.clock.advance(60)
    shop.restart()


async def the_database_is_lost(shop: Shop) -> None:
    await shop.deliver_until_done(an_order())
    for table in (shop.stored.links, shop.stored.effects, shop.stored.named, shop.stored.versions):
        table.clear()
    shop.clock.advance(60)
    shop.restart()


def the_linked_buyer_is_gone(shop: Shop) -> None:
    link = LinkRow("acme", "customer", "4001", "77", "", START)
    shop.stored.links["acme", "customer", "4001"] = link
    # Heartland refused it a moment ago; a process that starts anew knows nothing of that.
    shop.account.customers.recheck(an_order())


guest = Customer(shopify_id="4009")
known_by_shopify = an_order(
    metafields=(("tillbridge", "heartland_order_id", "100001"),), updated_at=edited(an_order()).updated_at
)


async def nothing(shop: Shop) -> None:
    return None


async def the_order_is_there(shop: Shop) -> None:
    await shop.deliver_until_done(rich_order())
    shop.clock.advance(60)


# What is prepared, which order comes then, and the settings.
ROADS: dict[str, tuple[Prepare, Order, dict[str, Any]]] = {
    "a new order": (nothing, rich_order(), {}),
    "an edit": (the_order_is_there, edited(rich_order()), {}),
    "a cancellation": (the_order_is_there, cancelled(rich_order()), {}),
    "our own write that comes back": (the_order_is_there, echo_of(rich_order()), {}),
    "a line is removed": (the_order_is_there, without_its_second_line(rich_order()), {}),
    "a buyer whom Heartland knows": (a_known_buyer, an_order(), {}),
    "a buyer without an address for e-mail": (nothing, an_order(customer=guest, email=""), {}),
    "a buyer whom somebody deleted": (the_buyer_is_deleted, an_order(customer=guest, email=""), {}),
    "a linked buyer who is gone": (the_linked_buyer_is_gone, an_order(), {}),
    "a number that is refused": (numbers_are_taken, an_order(), {}),
    "a number that is looked up": (a_number_is_taken, an_order(), {"unique_order_public_id": False}),
    "answers without an id": (nothing_is_named, an_order(), {}),
    "calls that wait long": (calls_wait_for_their_turn, an_order(), {}),
    "a connection that is unclear": (the_connection_is_unclear, an_order(), {}),
    "a database that was lost": (the_database_is_lost, known_by_shopify, {}),
}


async def prepared(road: str) -> tuple[Shop, Order]:
    prepare, order, settings = ROADS[road]
    shop = Shop(**settings)
    made = prepare(shop)
    if asyncio.iscoroutine(made):
        await made
    shop.points.passed.clear()
    return shop, order


async def deliver(shop: Shop, order: Order) -> None:
    try:
        await shop.deliver_until_done(order)
    except asyncio.CancelledError:
        await shop.deliver_until_done(order)


def check(shop: Shop, order: Order) -> None:
    ours = [row for row in shop.heartland.all("orders") if order.id in str(row.get("custom", {}))]
    assert len(ours) == 1
    lines = shop.heartland.all("lines", order=ours[0]["id"])
    assert sum(line["qty"] for line in lines) == sum(line.current_quantity for line in order.lines)
    payments = [row["custom"]["shopify_transaction_id"] for row in shop.heartland.all("payments")]
    assert sorted(payments) == sorted(tender.id for tender in order.tenders)
    [customer] = shop.heartland.all("customers")
    linked = {link.heartland_id for name, link in shop.stored.links.items() if name[1] == "customer"}
    assert linked <= {str(customer["id"])}
    # A payment type is found by its name from then on: nobody asks what became of the call that made it.
    settled = [name for name, effect in shop.stored.named.items() if effect.entity in ("order", "customer")]
    assert {shop.stored.effects[name].state for name in settled} <= {"done"}


async def deliver_breaking(road: str, why: str, number: int) -> tuple[Shop, Order, list[str]]:
    """The order of a road, whose call of this number breaks; and which call that was."""
    error, breaks, after = BREAKS[why]
    shop, order = await prepared(road)
    hit: list[str] = []

    def strike(at: int, name: str, is_after: bool) -> None:
        if at == number and is_after == after and breaks(name):
            hit.append(name)
            raise error()

    shop.points.strike = strike
    await deliver(shop, order)
    return shop, order, hit


@pytest.mark.parametrize("why", list(BREAKS))
@pytest.mark.parametrize("road", [road for road in ROADS if road not in ("a new order", "an edit", "a cancellation")])
async def test_whatever_call_breaks_it_is_done_once(road: str, why: str) -> None:
    for number in count(1):
        shop, order, hit = await deliver_breaking(road, why, number)
        try:
            check(shop, order)
        except AssertionError as failure:
            raise AssertionError(f"{road}, {why}, call {number} {hit}: {shop.points.passed}") from failure
        if len(shop.points.passed) < number:
            assert number > 2
            return


# No await is left out.


def _passed_through(awaits: Awaits, at: Callable[..., Any]) -> Callable[..., Any]:
    """`Points.at`, noting the awaits of the writer that wait for it."""

    async def noting(self: Points, name: str, do: Callable[[], Any]) -> Any:
        awaits.note(sys._getframe(1))
        return await at(self, name, do)

    return noting


async def test_every_await_is_tried_as_a_crash_point(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the roads of this file and of `test_crashes`: with Heartland away, with answers lost, and killed."""
    awaits = Awaits(*WRITERS, packages=("shared.sync", "shared.entities"))
    monkeypatch.setattr(Points, "at", _passed_through(awaits, Points.at))

    for road in ROADS:
        for why in ("target down before a call", "no answer to a write that was applied", "crash before a call"):
            for number in count(1):
                shop, _, _ = await deliver_breaking(road, why, number)
                if len(shop.points.passed) < number:
                    break

    await shop.existing({"acme|item:SKU-9"})

    missed = set(awaits.missed()) - QUIET
    assert not missed, "\n".join(sorted(missed))
