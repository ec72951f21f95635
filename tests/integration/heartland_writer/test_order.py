"""From canonical.order to open Heartland orders, through outages, lost answers and restarts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from deploy.local.engine import Engine
from shared.entities.order.record import Customer, Discount, Order
from tests.integration.heartland_writer.harness import Harness, exact, killed_at_the_end, open_harness, writing
from tests.support.messaging import until
from tests.support.orders import a_line, a_tender, an_order


@pytest.fixture
async def harness(engine: Engine, topic_prefix: str, database_url: str) -> AsyncIterator[Harness]:
    async with open_harness(engine, topic_prefix, database_url) as opened:
        yield opened


def order(number: int) -> Order:
    """Distinct buyer; three units that share a discount which does not divide; a card and a gift card."""
    lines = (a_line(1, quantity=3, discounts=(Discount(label="TEN", amount="1.00"),)), a_line(2))
    base = an_order(
        id=str(number),
        name=f"#{number}",
        lines=lines,
        customer=Customer(shopify_id=str(number), email=f"buyer{number}@example.com", first_name="Ada"),
        tenders=(),
    )
    rest = str(base.total - 5)
    tenders = (a_tender("5.00", number * 10, "gift_card"), a_tender(rest, number * 10 + 1))
    return base.model_copy(update={"tenders": tenders})


async def check(harness: Harness, expected: Order) -> None:
    picture = await harness.picture(f"S-{expected.name.removeprefix('#')}")
    assert exact(picture) == expected.total
    assert Decimal(str(picture["order"]["balance"])) == 0
    assert picture["order"]["status"] == "open"
    assert sorted((line["sku"], line["qty"]) for line in picture["lines"]) == [
        ("SKU-1", 1), ("SKU-1", 2), ("SKU-2", 1),
    ]  # fmt: skip


async def test_orders_arrive_once_exact_and_open(harness: Harness) -> None:
    await harness.stock("SKU-1", "SKU-2")
    orders = [order(number) for number in range(1001, 1021)]
    for one in orders:
        await harness.publish(one)

    async with writing(harness):
        await until(lambda: len(harness.done()) == 20)
        await until(lambda: len(harness.links) == 20)

    for one in orders:
        await check(harness, one)
    counts = await harness.summary()
    assert (counts["orders"], counts["customers"], counts["payments"]) == (20, 20, 40)
    assert {link.record.shopify_id for link in harness.links} == {one.id for one in orders}


BREAKS: list[dict[str, Any]] = [
    {"kind": "error_after", "operation": "^(POST|PUT)", "rate": 0.2, "times": 12},
    {"kind": "timeout_after", "operation": "^(POST|PUT)", "rate": 0.1, "times": 6, "seconds": 2},
    {"kind": "error_before", "rate": 0.1, "times": 6},
    {"kind": "garbage", "rate": 0.05, "times": 4},
    {"kind": "stale_reads", "seconds": 0.1},
]


async def test_no_answer_is_trusted_and_nothing_is_doubled(harness: Harness) -> None:
    await harness.stock("SKU-1", "SKU-2")
    orders = [order(number) for number in range(1001, 1011)]
    await harness.sandbox.control("POST", "/heartland/behaviour_flags", {"tax_rate": "0"})
    await harness.sandbox.faults(*({"system": "heartland", **fault} for fault in BREAKS))
    for one in orders:
        await harness.publish(one)

    async with writing(harness):
        await until(lambda: len(harness.done()) == 10, seconds=60)
    await harness.sandbox.faults()

    for one in orders:
        await check(harness, one)
    counts = await harness.summary()
    assert (counts["orders"], counts["customers"], counts["payments"]) == (10, 10, 20)


async def test_of_an_order_edited_down_after_it_was_paid_the_rest_is_booked_when_it_grows_again(
    harness: Harness,
) -> None:
    await harness.stock("SKU-1", "SKU-2", "SKU-3")
    paid = order(1001)
    first, second = paid.lines
    fewer = paid.model_copy(update={"lines": (first, second.model_copy(update={"removed": 1}))})
    lines = (*fewer.lines, a_line(3))
    grown = fewer.model_copy(update={"lines": lines, "updated_at": paid.updated_at + timedelta(minutes=1)})
    grown = grown.model_copy(update={"total": grown.computed_total})

    async with writing(harness):
        await harness.publish(fewer)
        await until(lambda: len(harness.links) == 1)
        edited_down = await harness.picture("S-1001")
        [review] = await harness.reviews.list()
        await harness.publish(grown)
        await until(lambda: harness.outcomes(1001).count("applied") == 2)
    whole = await harness.picture("S-1001")

    assert [edited_down["order"]["balance"], whole["order"]["balance"]] == [0, 0]
    left = exact(edited_down)
    assert (review.kind, review.details["over"]) == ("overpaid", str(paid.total - left))
    booked = [(row["custom"]["shopify_transaction_id"], Decimal(str(row["amount"]))) for row in whole["payments"]]
    assert booked == [("16010", Decimal(5)), ("16011", left - 5), ("16011/2", paid.total - left)]
    assert (exact(whole), await harness.reviews.list()) == (paid.total, [])


async def test_a_killed_writer_leaves_no_half_order(harness: Harness) -> None:
    await harness.stock("SKU-1", "SKU-2")
    orders = [order(number) for number in range(1001, 1011)]
    for one in orders:
        await harness.publish(one)

    for writes in (15, 45, 80):
        async with killed_at_the_end(harness):
            await until(lambda writes=writes: harness.sandbox.world.journal.last >= writes)
    async with writing(harness):
        # Killed between noting a version and telling of it, an order is found written already by the next.
        await until(lambda: len(harness.done() | harness.done("duplicate")) == 10, seconds=60)

    for one in orders:
        await check(harness, one)
    counts = await harness.summary()
    assert (counts["orders"], counts["customers"], counts["payments"]) == (10, 10, 20)


async def test_an_order_waits_for_its_item_and_goes_through_when_it_appears(harness: Harness) -> None:
    await harness.stock("SKU-1")
    await harness.publish(order(1001))
    await harness.publish(an_order(id="7", name="#7", lines=(a_line(1),), customer=Customer(email="b@example.com")))

    async with writing(harness):
        await until(lambda: harness.outcomes(7) == ["applied"])
        await until(lambda: "parked" in harness.outcomes(1001))
        await harness.stock("SKU-2")
        await until(lambda: "applied" in harness.outcomes(1001))

    await check(harness, order(1001))


async def test_an_outage_parks_nothing_and_ends_by_itself(harness: Harness) -> None:
    await harness.stock("SKU-1", "SKU-2")
    await harness.sandbox.faults({"system": "heartland", "kind": "outage"})
    await harness.publish(order(1001))

    async with writing(harness):
        async with asyncio.timeout(20):
            while not sum(await harness.sandbox.fault_hits()):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await harness.sandbox.faults()
        await until(lambda: "applied" in harness.outcomes(1001), seconds=40)

    assert set(harness.outcomes(1001)) <= {"applied", "retrying"}


async def test_a_payment_and_a_cancellation_follow(harness: Harness) -> None:
    await harness.stock("SKU-1", "SKU-2")
    unpaid = order(1001).model_copy(update={"tenders": ()})
    paid = order(1001).model_copy(update={"updated_at": unpaid.updated_at + timedelta(seconds=1)})
    later = unpaid.updated_at + timedelta(seconds=2)
    cancelled = paid.model_copy(update={"updated_at": later, "cancelled_at": later})

    async with writing(harness):
        for number, state in enumerate((unpaid, paid, cancelled), start=1):
            await harness.publish(state)
            await until(lambda number=number: harness.outcomes(1001).count("applied") == number)

    picture = await harness.picture("S-1001")
    assert picture["order"]["status"] == "canceled"
    assert len(picture["payments"]) == 2
