"""What a pass finds between two real systems, what it sends through the road, and what it leaves alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from deploy.local.engine import Engine
from shared.operations.comparison.subjects import subject_of
from tests.integration.reconciler.harness import CONNECTION, WITHOUT_POLLER, Harness, open_harness
from tests.unit.services.sandbox.heartland.till import Till

SUBJECT = subject_of("order")

pytestmark = pytest.mark.timeout(300)
_STATE = ("links", "effects", "versions", "journal", "cursors", "reviews")


@pytest.fixture
async def harness(engine: Engine, topic_prefix: str, database_url: str) -> AsyncIterator[Harness]:
    async with open_harness(engine, topic_prefix, database_url) as opened:
        await opened.sandbox.control("POST", "/heartland/items", {"public_id": "TEE", "price": "10.00"})
        yield opened


async def written(harness: Harness, number: int = 3001) -> str:
    """An order that went its way; all services but the poller run."""
    order_id = await harness.order(number)
    harness.start(*WITHOUT_POLLER)
    await harness.tell(order_id)
    await harness.arrived(number)
    await harness.echoed(order_id)
    return order_id


async def test_an_order_that_nobody_told_of_is_sent_through_after_two_looks(harness: Harness) -> None:
    await harness.order(3001)
    harness.start(*WITHOUT_POLLER)

    first = await harness.compare()
    second = await harness.acted()
    await harness.arrived(3001)
    await harness.agreed()

    assert await harness.kinds("repaired") == ["order_missing"]
    assert ([row.kind for row in first.found], first.repaired) == (["order_missing"], [])
    assert [row.at_risk for row in second.repaired] == [Decimal("25.00")]
    assert await harness.created("heartland", "sales/orders") == 1


async def test_what_is_on_its_way_is_left_alone(harness: Harness) -> None:
    order_id = await harness.order(3001)
    harness.start("journal")
    await harness.tell(order_id)

    async def noted() -> bool:
        return bool(await harness.database.fetch("select from journal where key = $1", order_id))

    await harness.until("the journal to know of it", noted)
    outcomes = [await harness.compare() for _ in range(3)]

    assert [outcome.compared for outcome in outcomes] == [0, 0, 0]
    assert await harness.drift() == []


async def test_where_both_sides_agree_nothing_is_found(harness: Harness) -> None:
    order_id = await written(harness)
    await harness.ship(3001)
    harness.start("poller")

    async def shipped() -> bool:
        return await harness.units(order_id) == [2]

    await harness.until("the shipment in Shopify", shipped)
    await harness.tell(order_id)
    await harness.echoed(order_id)
    await harness.agreed()

    assert await harness.drift("open", "repairing", "review", "repaired", "gone") == []


async def test_a_shipment_that_nobody_polled_is_sent_through_once(harness: Harness) -> None:
    order_id = await written(harness)
    await harness.ship(3001, ("TEE", 1))

    await harness.acted()

    async def shipped() -> bool:
        return await harness.units(order_id) == [1]

    await harness.until("the shipment in Shopify", shipped)
    await harness.agreed()
    # No webhook tells of what our own fulfilment changed: the order may be found behind because of it.
    assert "shipment_missing" in await harness.kinds("repaired")
    assert await harness.created("shopify", "fulfillmentCreate") == 1


async def test_money_that_only_heartland_has_is_for_a_person_and_over_when_it_is_gone(harness: Harness) -> None:
    order_id = await written(harness)
    picture = await harness.arrived(3001)
    payment = {"type": "CustomPayment", "payment_type_id": picture["payments"][0]["payment_type_id"], "amount": 3}
    till = Till(harness.sandbox)
    await till.post(f"sales/orders/{picture['order']['id']}/payments", payment)

    await harness.acted()
    [review] = await harness.reviews.list()
    assert (review.kind, review.key, review.entity) == ("payment_exceeds", order_id, "payment")

    await till.post(f"sales/orders/{picture['order']['id']}/payments", {**payment, "amount": -3})
    await harness.agreed()
    assert await harness.reviews.list() == []
    assert await harness.kinds("gone") == ["payment_exceeds"]


async def test_what_somebody_changed_in_heartland_is_put_right_only_if_a_person_says_so(harness: Harness) -> None:
    order_id = await written(harness)
    heartland_id = (await harness.arrived(3001))["order"]["id"]
    await Till(harness.sandbox).put(f"sales/orders/{heartland_id}", {"shipping_charge": 7})

    await harness.acted()
    [asked] = await harness.drift("review")
    assert [(review.kind, review.key) for review in await harness.reviews.list()] == [("total_differs", order_id)]

    await harness.parts.pass_over(CONNECTION, SUBJECT).repair(asked)
    await harness.arrived(3001, lambda picture: picture["order"]["shipping_charge"] == 5)
    await harness.agreed()
    [row] = await harness.drift("repaired")
    assert (row.kind, row.at_risk, await harness.reviews.list()) == ("total_differs", Decimal("2.00"), [])
    assert row.undo is not None
    assert [one["shipping_charge"] for one in row.undo["held"]["order"]] == ["7"]
    assert [Decimal(one["amount"]) for one in row.undo["held"]["payments"]] == [Decimal(25)]


async def test_a_pass_over_payments_ends_no_difference_between_orders(harness: Harness) -> None:
    order_id = await written(harness)
    heartland_id = (await harness.arrived(3001))["order"]["id"]
    await Till(harness.sandbox).put(f"sales/orders/{heartland_id}", {"status": "canceled"})
    await harness.compare(act=False)

    await harness.compare("payment", act=False)
    assert [(row.kind, row.key) for row in await harness.drift("open")] == [("status_differs", order_id)]


async def test_after_a_lost_database_everything_is_found_again_and_nothing_made_twice(harness: Harness) -> None:
    order_id = await written(harness)
    await harness.ship(3001, ("TEE", 1))
    await harness.acted()

    async def shipped() -> bool:
        return await harness.units(order_id) == [1]

    await harness.until("the shipment in Shopify", shipped)
    await harness.agreed()
    for table in (*_STATE, "drift"):
        await harness.database.execute(f"delete from {table}")  # noqa: S608

    await harness.acted()
    await harness.agreed()
    links = await harness.database.fetch("select heartland_id from links where connection = $1", CONNECTION)
    heartland_id = str((await harness.arrived(3001))["order"]["id"])
    assert [row["heartland_id"] for row in links if row["heartland_id"] == heartland_id] == [heartland_id]
    assert await harness.created("heartland", "sales/orders") == 1
    assert await harness.created("heartland", "payments") == 1
    assert await harness.units(order_id) == [1]
    assert await harness.drift() == []


async def test_above_the_cap_nothing_is_repaired_and_somebody_is_told(
    engine: Engine, topic_prefix: str, database_url: str
) -> None:
    async with open_harness(engine, topic_prefix, database_url, RECONCILE_MAX_REPAIRS="1") as harness:
        for number in (3001, 3002):
            await harness.order(number)
        harness.start(*WITHOUT_POLLER)
        outcome = await harness.acted()

        async def told() -> bool:
            rows = await harness.database.fetch("select kind from alerts where state = 'open'")
            return "drift_above_cap" in [row["kind"] for row in rows]

        await harness.until("the alert", told)
        assert (outcome.above_cap, outcome.repaired) == (True, [])
        assert await harness.created("heartland", "sales/orders") == 0
