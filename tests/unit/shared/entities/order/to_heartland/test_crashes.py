"""Whatever call breaks, and however: one order, its exact lines, taxes and payments, one customer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest

from shared.entities.order.record import Discount, Order
from shared.errors import OutcomeUnknown, TargetDown
from tests.support.orders import a_line, a_tender, an_order
from tests.unit.shared.entities.order.to_heartland.shop import Crash, Shop

WRITES = ("POST", "PUT", "DELETE")


def lost() -> BaseException:
    return OutcomeUnknown("the connection broke")


def down() -> BaseException:
    return TargetDown("Heartland cannot be reached")


def not_shared(name: str) -> bool:
    """Items are looked up by a task of their own, for many orders at once."""
    return name != "GET items"


# What breaks, at which calls, and whether before or after the call has its effect.
BREAKS: dict[str, tuple[Callable[[], BaseException], Callable[[str], bool], bool]] = {
    "crash before a call": (Crash, not_shared, False),
    "crash after a call": (Crash, not_shared, True),
    "no answer to a write that was not applied": (lost, lambda name: name.startswith(WRITES), False),
    "no answer to a write that was applied": (lost, lambda name: name.startswith(WRITES), True),
    "target down before a call": (down, lambda name: True, False),
    "cancelled before a call": (asyncio.CancelledError, lambda name: True, False),
    "cancelled after a call": (asyncio.CancelledError, lambda name: True, True),
}


def rich_order(**changes: object) -> Order:
    """Two lines, one split by its discount, one without SKU; two payments."""
    lines = (
        a_line(1, quantity=3, discounts=(Discount(label="TEN", amount="1.00"),)),
        a_line(2, sku="", title="Engraving"),
    )
    order = an_order(lines=lines, tenders=(), **changes)
    tenders = (a_tender("5.00", 1), a_tender("5.00", 2), a_tender(str(order.total - 10), 3, gateway="gift_card"))
    return order.model_copy(update={"tenders": tenders})


def edited(order: Order) -> Order:
    """Later: one unit taken off, a line added, one more payment."""
    first = order.lines[0].model_copy(update={"removed": 1, "current_quantity": 2})
    added = a_line(3, quantity=2)
    value = added.net + added.tax
    return order.model_copy(
        update={
            "lines": (first, *order.lines[1:], added),
            "total": order.total + value,
            "tenders": (*order.tenders, a_tender("21.40", 4)),
            "updated_at": order.updated_at + timedelta(minutes=1),
        }
    )


def cancelled(order: Order) -> Order:
    later = order.updated_at + timedelta(minutes=2)
    return order.model_copy(update={"cancelled_at": later, "updated_at": later})


def check(shop: Shop, order: Order, lines: list[tuple[str, int, str]], total: str, status: str) -> None:
    assert len(shop.heartland.all("orders")) == 1
    assert len(shop.heartland.all("customers")) == 1
    assert len(shop.heartland.all("addresses")) == 1
    assert sorted(shop.lines()) == sorted(lines)
    number = shop.order()["id"]
    assert shop.heartland.total(number) == Decimal(total)
    payments = [payment["custom"]["shopify_transaction_id"] for payment in shop.heartland.all("payments")]
    assert sorted(payments) == sorted(tender.id for tender in order.tenders)
    assert shop.order()["status"] == status
    settled = [name for name, effect in shop.stored.named.items() if effect.entity in ("order", "customer")]
    assert {shop.stored.effects[name].state for name in settled} == {"done"}
    assert len({type_["name"] for type_ in shop.heartland.all("payment_types")}) == len(
        shop.heartland.all("payment_types")
    )


async def prepared(lag_seconds: float, *orders: Order) -> Shop:
    """A Heartland in which these orders were written in peace. It taxes by itself, unless its reads lag: what it
    computes on its own cannot be known before it shows.
    """
    shop = Shop(lag_seconds=lag_seconds, tax_rate="0" if lag_seconds else "0.05")
    for order in orders:
        await shop.deliver_until_done(order)
    shop.points.passed.clear()
    return shop


async def every_break(
    why: str,
    lag_seconds: float,
    before: list[Order],
    order: Order,
    checks: Callable[[Shop], None],
    wait: float,
    *,
    elsewhere: bool = False,
) -> None:
    error, breaks, after = BREAKS[why]
    number = 0
    while True:
        number += 1
        shop = await prepared(lag_seconds, *before)
        shop.clock.advance(wait)
        hit: list[str] = []

        def strike(at: int, name: str, is_after: bool, number: int = number, hit: list[str] = hit) -> None:
            if at == number and is_after == after and breaks(name):
                hit.append(name)
                raise error()

        shop.points.strike = strike
        try:
            await shop.deliver_until_done(order, elsewhere=elsewhere)
        except asyncio.CancelledError:
            await shop.deliver_until_done(order)
        if len(shop.points.passed) < number:
            assert number > 5
            return
        try:
            checks(shop)
        except AssertionError as failure:
            raise AssertionError(f"{why}, call {number} {hit}: {shop.points.passed}") from failure


LAGS = pytest.mark.parametrize("lag_seconds", [0.0, 10.0], ids=["reads are current", "reads lag by 10 s"])
HOW = pytest.mark.parametrize("why", list(BREAKS))


@HOW
@LAGS
async def test_a_new_order_is_created_once(why: str, lag_seconds: float) -> None:
    order = rich_order()

    def checks(shop: Shop) -> None:
        check(shop, order, [("SKU-1", 1, "9.66"), ("SKU-1", 2, "9.67"), ("MISC", 1, "10.00")], "45.40", "open")

    await every_break(why, lag_seconds, [], order, checks, 0)


@HOW
@LAGS
@pytest.mark.parametrize("wait", [0.5, 60.0], ids=["at once", "a minute later"])
async def test_an_edit_is_carried_over_once(why: str, lag_seconds: float, wait: float) -> None:
    order = edited(rich_order())

    def checks(shop: Shop) -> None:
        lines = [("SKU-1", 1, "9.66"), ("SKU-1", 1, "9.67"), ("MISC", 1, "10.00"), ("SKU-3", 2, "10.00")]
        check(shop, order, lines, str(shop.heartland.total(shop.order()["id"])), "open")
        assert shop.heartland.total(shop.order()["id"]) == Decimal("45.40") + Decimal("20.70") - Decimal("9.90")

    await every_break(why, lag_seconds, [rich_order()], order, checks, wait)


@HOW
@LAGS
async def test_a_cancellation_is_carried_over(why: str, lag_seconds: float) -> None:
    order = cancelled(rich_order())

    def checks(shop: Shop) -> None:
        check(shop, order, [("SKU-1", 1, "9.66"), ("SKU-1", 2, "9.67"), ("MISC", 1, "10.00")], "45.40", "canceled")

    await every_break(why, lag_seconds, [rich_order()], order, checks, 60)


@HOW
async def test_an_order_cancelled_before_it_was_seen_is_never_opened(why: str) -> None:
    order = cancelled(rich_order())

    def checks(shop: Shop) -> None:
        check(shop, order, [("SKU-1", 1, "9.66"), ("SKU-1", 2, "9.67"), ("MISC", 1, "10.00")], "45.40", "canceled")

    await every_break(why, 0.0, [], order, checks, 0)


@pytest.mark.parametrize("why", ["crash before a call", "crash after a call"])
@pytest.mark.parametrize("wait", [0.5, 60.0], ids=["at once", "a minute later"])
async def test_another_process_finishes_what_one_left_though_reads_lag(why: str, wait: float) -> None:
    order = edited(rich_order())

    def checks(shop: Shop) -> None:
        lines = [("SKU-1", 1, "9.66"), ("SKU-1", 1, "9.67"), ("MISC", 1, "10.00"), ("SKU-3", 2, "10.00")]
        check(shop, order, lines, str(shop.heartland.total(shop.order()["id"])), "open")

    await every_break(why, 10.0, [rich_order()], order, checks, wait, elsewhere=True)


@pytest.mark.parametrize("call", ["POST orders", "POST customers", "POST addresses", "POST payments"])
async def test_a_create_that_waited_long_for_its_turn_is_not_made_again_by_who_takes_over(call: str) -> None:
    shop = Shop(lag_seconds=10.0)
    order = rich_order()
    struck = False

    def strike(at: int, name: str, is_after: bool) -> None:
        nonlocal struck
        if name == call and not struck:
            if not is_after:
                shop.clock.advance(60)
            else:
                struck = True
                raise Crash

    shop.points.strike = strike
    await shop.deliver_until_done(order, restart_seconds=0.5, elsewhere=True)

    check(shop, order, [("SKU-1", 1, "9.66"), ("SKU-1", 2, "9.67"), ("MISC", 1, "10.00")], "45.40", "open")


def moved(order: Order) -> Order:
    """Another order of the same buyer, to another address."""
    address = order.shipping_address
    assert address is not None
    there = address.model_copy(update={"line_1": "2 New Road"})
    tenders = tuple(one.model_copy(update={"id": f"{one.id}9"}) for one in order.tenders)
    return order.model_copy(update={"id": "5002", "name": "#1002", "shipping_address": there, "tenders": tenders})


@HOW
@LAGS
async def test_a_new_address_of_a_known_buyer_is_created_once(why: str, lag_seconds: float) -> None:
    def checks(shop: Shop) -> None:
        assert len(shop.heartland.all("customers")) == 1
        lines = sorted(row["line_1"] for row in shop.heartland.all("addresses"))
        assert len(lines) == len(set(lines)) == 2
        buyers = [name for name, effect in shop.stored.named.items() if effect.entity == "customer"]
        assert {shop.stored.effects[name].state for name in buyers} <= {"done", "new"}

    await every_break(why, lag_seconds, [rich_order()], moved(rich_order()), checks, 0.5)
