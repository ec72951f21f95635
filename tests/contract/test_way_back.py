"""Shipments against the sandbox's shop: every way in which an order can stand when its goods have left."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest

from services.sandbox.shopify import shop as vendor
from shared.connectors.shopify.document import Document
from shared.entities.fulfilment.shopify.documents import CREATE_FULFILMENT
from shared.errors import NeedsReview, RetryLater, TargetDown, Waiting
from shared.limits.call_context import CallContext
from tests.support.sandbox import open_sandbox
from tests.support.shipments import ORDER, Shop, a_shipment, shipped

ANNEX = 900002


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    async with open_sandbox(sandbox_plan="unlimited") as sandbox:
        yield Shop(sandbox)


async def two_locations(shop: Shop) -> int:
    """An order of three TEE, two at home and one in the annex; the home location's id."""
    await shop.sandbox.control("POST", "/shopify/locations", {"id": ANNEX, "name": "Annex"})
    await shop.place(("TEE", 1), order=1)
    home = int((await shop.picture(1))["fulfillment_orders"][0]["location_id"])
    line = ORDER * 10 + 1
    at = [
        {"location_id": place, "line_items": [{"line_item_id": line, "quantity": quantity}]}
        for place, quantity in ((home, 2), (ANNEX, 1))
    ]
    await shop.place(("TEE", 3), fulfillment_orders=at)
    return home


async def test_a_whole_order_is_fulfilled_with_its_tracking(shop: Shop) -> None:
    await shop.place(("TEE", 2), ("CAP", 1))

    result = await shop.ship(a_shipment(shipped("TEE", 2), shipped("CAP"), tracking="1Z9"))

    (made,) = await shop.fulfilments()
    assert (made["tracking_number"], made["tracking_company"], made["notify_customer"]) == ("1Z9", "UPS", False)
    assert await shop.units() == [{"TEE": 2, "CAP": 1}]
    assert (result.outcome, result.order_number, result.shopify_id) == ("applied", "#5001", "5001")
    assert result.detail == f"invoice 100877 -> {made['id']}"


async def test_the_buyer_is_told_if_the_merchant_wishes(shop: Shop) -> None:
    await shop.place(("TEE", 1))

    await shop.ship(a_shipment(shipped("TEE"), notify_customer=True))

    assert [row["notify_customer"] for row in await shop.fulfilments()] == [True]


async def test_a_tracking_address_that_is_none_costs_no_shipment(shop: Shop) -> None:
    await shop.place(("TEE", 1))

    await shop.ship(a_shipment(shipped("TEE"), tracking="1Z9", tracking_url="ask the counter"))

    (made,) = await shop.fulfilments()
    assert (made["tracking_number"], made["tracking_url"]) == ("1Z9", None)


async def test_an_invoice_is_fulfilled_once_however_often_it_is_seen(shop: Shop) -> None:
    await shop.place(("TEE", 5))

    results = [await shop.ship(a_shipment(shipped("TEE", 2))) for _ in range(3)]

    assert [result.outcome for result in results] == ["applied", "duplicate", "duplicate"]
    assert await shop.units() == [{"TEE": 2}]


async def test_partial_shipments_follow_each_other(shop: Shop) -> None:
    await shop.place(("TEE", 3), ("CAP", 1))

    await shop.ship(a_shipment(shipped("TEE", 1), id="1"))
    await shop.ship(a_shipment(shipped("TEE", 1), shipped("CAP", 1), id="2"))
    await shop.ship(a_shipment(shipped("TEE", 1), id="3"))

    assert await shop.units() == [{"TEE": 1}, {"TEE": 1, "CAP": 1}, {"TEE": 1}]
    assert (await shop.picture())["order"]["fulfillment_status"] == "fulfilled"


async def test_a_shipment_over_two_locations_is_two_fulfilments_once(shop: Shop) -> None:
    await two_locations(shop)

    results = [await shop.ship(a_shipment(shipped("TEE", 3))) for _ in range(2)]

    assert [result.outcome for result in results] == ["applied", "duplicate"]
    assert sorted(units["TEE"] for units in await shop.units()) == [1, 2]


async def test_the_location_that_ships_is_served_first(shop: Shop) -> None:
    await two_locations(shop)

    await shop.ship(a_shipment(shipped("TEE", 1)), location=f"gid://shopify/Location/{ANNEX}")

    assert [row["location_id"] for row in await shop.fulfilments()] == [ANNEX]


async def test_the_second_location_follows_after_the_first_went_through_alone(shop: Shop) -> None:
    await two_locations(shop)
    await shop.sandbox.faults({"system": "shopify", "kind": "outage", "operation": "CreateFulfilment", "times": 1})
    with pytest.raises(RetryLater):
        await shop.ship(a_shipment(shipped("TEE", 3)))
    shop.clock.advance(11)

    await shop.ship(a_shipment(shipped("TEE", 3)))

    assert sorted(units["TEE"] for units in await shop.units()) == [1, 2]


async def test_what_is_on_hold_waits_and_is_fulfilled_once_it_is_released(shop: Shop) -> None:
    await shop.place(("TEE", 2))
    await shop.sandbox.control("POST", f"/shopify/orders/{ORDER}/hold", {"reason": "HIGH_RISK_OF_FRAUD"})
    with pytest.raises(Waiting, match="2 x TEE of Shopify order 5001 are on hold") as caught:
        await shop.ship(a_shipment(shipped("TEE", 2)))
    assert caught.value.waits_for == "release:5001"

    await shop.sandbox.control("POST", f"/shopify/orders/{ORDER}/hold", {"reason": None})
    await shop.ship(a_shipment(shipped("TEE", 2)))

    assert await shop.units() == [{"TEE": 2}]


async def test_what_was_on_hold_at_the_same_location_follows_in_a_call_of_its_own(shop: Shop) -> None:
    """One fulfilment order of the location is free, the other is held: each of them ships once."""
    await shop.place(("TEE", 1), order=1)
    home = int((await shop.picture(1))["fulfillment_orders"][0]["location_id"])
    rows = [{"location_id": home, "line_items": [{"line_item_id": ORDER * 10 + n, "quantity": 1}]} for n in (1, 2)]
    await shop.place(("TEE", 1), ("CAP", 1), fulfillment_orders=rows)
    hold_the_second(shop)
    shipment = a_shipment(shipped("TEE"), shipped("CAP"))
    with pytest.raises(Waiting, match="1 x CAP"):
        await shop.ship(shipment)
    assert await shop.units() == [{"TEE": 1}]
    await shop.sandbox.control("POST", f"/shopify/orders/{ORDER}/hold", {"reason": None})

    assert (await shop.ship(shipment)).outcome == "applied"
    assert (await shop.ship(shipment)).outcome == "duplicate"
    assert await shop.units() == [{"TEE": 1}, {"CAP": 1}]


async def test_what_was_fulfilled_by_hand_goes_to_a_person(shop: Shop) -> None:
    await shop.place(("TEE", 2))
    await by_hand(shop, 2)

    with pytest.raises(NeedsReview, match="100877 ships 2 x TEE, which are not left to fulfil") as caught:
        await shop.ship(a_shipment(shipped("TEE", 2)))

    assert caught.value.kind == "shipment_without_order_lines"
    assert len(await shop.fulfilments()) == 1


async def test_what_is_left_of_a_line_that_was_partly_fulfilled_by_hand_is_fulfilled(shop: Shop) -> None:
    await shop.place(("TEE", 3))
    await by_hand(shop, 2)

    with pytest.raises(NeedsReview, match="ships 1 x TEE"):
        await shop.ship(a_shipment(shipped("TEE", 2)))

    assert await shop.units() == [{"TEE": 2}, {"TEE": 1}]


async def test_a_cancelled_order_that_was_shipped_goes_to_a_person(shop: Shop) -> None:
    await shop.place(("TEE", 1))
    await shop.sandbox.control("POST", f"/shopify/orders/{ORDER}/cancel", {})

    with pytest.raises(NeedsReview, match="not left to fulfil"):
        await shop.ship(a_shipment(shipped("TEE")))

    assert await shop.fulfilments() == []


async def test_an_order_that_shopify_does_not_show_goes_to_a_person(shop: Shop) -> None:
    with pytest.raises(NeedsReview, match="shipped order 777") as caught:
        await shop.ship(a_shipment(shipped("TEE"), order_id="777"))

    assert caught.value.kind == "shipped_order_gone"


async def test_lines_without_sku_are_found(shop: Shop) -> None:
    await shop.place(("TEE", 1), ("", 1), ("", 1))

    await shop.ship(a_shipment(shipped("", order_line=str(ORDER * 10 + 3))))
    await shop.ship(a_shipment(shipped(""), id="2"))

    ids = [[line["id"] for line in row["line_items"]] for row in await shop.fulfilments()]
    assert ids == [[ORDER * 10 + 3], [ORDER * 10 + 2]]


async def test_a_line_whose_sku_has_changed_since_is_not_shipped_twice(shop: Shop) -> None:
    """The invoice names the order line; Shopify knows it by another SKU. Seen again, nothing is left to place."""
    await shop.place(("TEE-OLD", 3))
    shipment = a_shipment(shipped("TEE-NEW", 1, order_line=str(ORDER * 10 + 1)))

    results = [await shop.ship(shipment) for _ in range(2)]

    assert [result.outcome for result in results] == ["applied", "duplicate"]
    assert await shop.units() == [{"TEE-OLD": 1}]


async def test_a_hundred_and_forty_lines_on_many_pages(shop: Shop) -> None:
    skus = [f"SKU-{number:03}" for number in range(140)]
    await shop.place(*((sku, 2) for sku in skus))

    await shop.ship(a_shipment(*(shipped(sku, 2) for sku in skus)))

    assert await shop.units() == [dict.fromkeys(skus, 2)]


async def test_a_large_shipment_whose_answer_was_lost_is_recognised(shop: Shop) -> None:
    skus = [f"SKU-{number:03}" for number in range(140)]
    await shop.place(*((sku, 2) for sku in skus))
    await shop.sandbox.faults({"system": "shopify", "kind": "error_after", "operation": "CreateFulfilment", "times": 1})
    shipment = a_shipment(*(shipped(sku) for sku in skus))
    with pytest.raises(RetryLater):
        await shop.ship(shipment)

    assert (await shop.ship(shipment)).outcome == "duplicate"
    assert await shop.units() == [dict.fromkeys(skus, 1)]


async def test_many_fulfilment_orders_on_many_pages(shop: Shop) -> None:
    await shop.place(("TEE", 1), order=1)
    home = int((await shop.picture(1))["fulfillment_orders"][0]["location_id"])
    rows = [
        {"location_id": home, "line_items": [{"line_item_id": ORDER * 10 + n, "quantity": 1}]} for n in range(1, 13)
    ]
    await shop.place(*((f"SKU-{n}", 1) for n in range(1, 13)), fulfillment_orders=rows)

    await shop.ship(a_shipment(*(shipped(f"SKU-{n}") for n in range(1, 13))))

    assert await shop.units() == [{f"SKU-{n}": 1 for n in range(1, 13)}]


# Tracking that comes later


async def test_a_tracking_number_entered_later_reaches_the_fulfilment(shop: Shop) -> None:
    await shop.place(("TEE", 1))
    await shop.ship(a_shipment(shipped("TEE")))

    results = [await shop.ship(a_shipment(shipped("TEE"), tracking="1Z9"), later=60) for _ in range(2)]

    assert [result.outcome for result in results] == ["applied", "duplicate"]
    assert [row["tracking_number"] for row in await shop.fulfilments()] == ["1Z9"]
    assert await shop.writes() == ["fulfillmentCreate", "fulfillmentTrackingInfoUpdate"]


async def test_a_corrected_tracking_number_replaces_the_first_and_an_old_notice_does_not_bring_it_back(
    shop: Shop,
) -> None:
    await shop.place(("TEE", 1))
    await shop.ship(a_shipment(shipped("TEE"), tracking="1Z1"))
    await shop.ship(a_shipment(shipped("TEE"), tracking="1Z2"), later=60)

    assert (await shop.ship(a_shipment(shipped("TEE"), tracking="1Z1"))).outcome == "duplicate"
    assert [row["tracking_number"] for row in await shop.fulfilments()] == ["1Z2"]


async def test_tracking_of_the_same_second_counts_as_later(shop: Shop) -> None:
    await shop.place(("TEE", 1))
    await shop.ship(a_shipment(shipped("TEE")))

    await shop.ship(a_shipment(shipped("TEE"), tracking="1Z9"))

    assert [row["tracking_number"] for row in await shop.fulfilments()] == ["1Z9"]


async def test_tracking_reaches_every_fulfilment_of_the_invoice(shop: Shop) -> None:
    await two_locations(shop)
    await shop.ship(a_shipment(shipped("TEE", 3)))

    await shop.ship(a_shipment(shipped("TEE", 3), tracking="1Z9"), later=60)

    assert [row["tracking_number"] for row in await shop.fulfilments()] == ["1Z9", "1Z9"]


async def test_tracking_whose_answer_was_lost_is_not_sent_twice(shop: Shop) -> None:
    await shop.place(("TEE", 1))
    await shop.ship(a_shipment(shipped("TEE")))
    await shop.sandbox.faults({"system": "shopify", "kind": "error_after", "operation": "UpdateTracking", "times": 1})
    tracked = a_shipment(shipped("TEE"), tracking="1Z9", notify_customer=True)
    with pytest.raises(RetryLater):
        await shop.ship(tracked, later=60)

    await shop.ship(tracked, later=60)

    assert await shop.writes() == ["fulfillmentCreate", "fulfillmentTrackingInfoUpdate"]


async def test_tracking_of_a_fulfilment_that_was_cancelled_goes_to_a_person(shop: Shop) -> None:
    await shop.place(("TEE", 1))
    await shop.ship(a_shipment(shipped("TEE")))
    (made,) = await shop.fulfilments()
    await execute(shop, "mutation Undo($id: ID!) { fulfillmentCancel(id: $id) { userErrors { message } } }", made)

    with pytest.raises(NeedsReview, match="refused the tracking"):
        await shop.ship(a_shipment(shipped("TEE"), tracking="1Z9"), later=60)


# What the shop's staff does


async def execute(shop: Shop, text: str, fulfilment: dict[str, Any]) -> None:
    await shop.client.execute(Document("Undo", text), {"id": fulfilment["admin_graphql_api_id"]})


def hold_the_second(shop: Shop) -> None:
    imitated = vendor.of(shop.sandbox.world)
    doc = imitated.orders.get(ORDER)
    assert doc is not None
    doc["fos"][1]["held"] = "OTHER"
    imitated.update_fulfilment_orders(doc)
    imitated.touch(doc)


async def by_hand(shop: Shop, quantity: int) -> None:
    """Somebody fulfils units of the first line in Shopify's admin."""
    order = (await shop.picture())["fulfillment_orders"][0]
    line = {"id": f"gid://shopify/FulfillmentOrderLineItem/{order['lines'][0]['id']}", "quantity": quantity}
    content = {
        "lineItemsByFulfillmentOrder": [
            {"fulfillmentOrderId": f"gid://shopify/FulfillmentOrder/{order['id']}", "fulfillmentOrderLineItems": [line]}
        ]
    }
    await shop.client.execute(CREATE_FULFILMENT, {"fulfillment": content})


def wakes_after(shop: Shop, meanwhile: Callable[[], Awaitable[Any]]) -> None:
    """This process sleeps when its mutation has got its turn, and all that happens before it wakes."""
    real = shop.client.execute

    async def execute(document: Document, variables: Mapping[str, Any], context: CallContext) -> dict[str, Any]:
        check = context.pre_send_check

        async def late() -> None:
            await meanwhile()
            if check is not None:
                await check()

        return await real(document, variables, context.checked_by(late))

    shop.client.execute = execute  # type: ignore[method-assign]


async def test_who_slept_while_another_fulfilled_it_does_so_no_more(shop: Shop) -> None:
    await shop.place(("TEE", 2))
    other, record = Shop(shop.sandbox, shop.ledger, shop.clock), a_shipment(shipped("TEE"))

    async def meanwhile() -> None:
        shop.clock.advance(31)
        await other.ship(record)

    wakes_after(shop, meanwhile)
    with pytest.raises(TargetDown, match="settled elsewhere"):
        await shop.ship(record)

    assert await shop.units() == [{"TEE": 1}]


async def test_who_slept_while_another_took_over_sends_no_older_tracking(shop: Shop) -> None:
    await shop.place(("TEE", 1))
    await shop.ship(a_shipment(shipped("TEE")))
    other = Shop(shop.sandbox, shop.ledger, shop.clock)
    shop.taken_at = shop.clock.now() + timedelta(seconds=30)

    async def meanwhile() -> None:
        shop.clock.advance(31)
        await other.ship(a_shipment(shipped("TEE"), tracking="NEW"), later=120)

    wakes_after(shop, meanwhile)
    with pytest.raises(TargetDown, match="took this record over"):
        await shop.ship(a_shipment(shipped("TEE"), tracking="OLD"), later=60)

    assert [row["tracking_number"] for row in await shop.fulfilments()] == ["NEW"]
