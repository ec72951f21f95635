"""What the stores ship comes back to Shopify: the right units with their tracking, once per invoice."""

from __future__ import annotations

import pytest

from tests.support.documents import a_document, an_item
from tests.support.stack import Bridge, Json, StoredOrder

pytestmark = pytest.mark.usefixtures("clean_faults")


async def an_open_order(bridge: Bridge, *lines: Json) -> tuple[str, StoredOrder]:
    order_id = await bridge.post(a_document(next(bridge.numbers), *lines))
    return order_id, await bridge.in_heartland(order_id)


async def fulfilments(bridge: Bridge, order_id: str, wanted: int) -> list[Json]:
    """Waits until the shop has that many fulfilments of the order."""

    async def there() -> list[Json] | None:
        found: list[Json] = (await bridge.shopify(order_id))["fulfillments"]
        return found if len(found) >= wanted else None

    return await bridge.until(f"{wanted} fulfilments", there, order_id=order_id)


def units(fulfilment: Json) -> dict[str, int]:
    return {line["sku"]: line["quantity"] for line in fulfilment["line_items"]}


@pytest.mark.capability("S88")
async def test_a_whole_shipment_fulfils_the_whole_order_with_its_tracking(bridge: Bridge) -> None:
    order_id, books = await an_open_order(bridge, an_item("TEE", 2, "10.00"), an_item("CAP", 1, "4.00"))
    await bridge.ship(books, tracking_number="1Z999", carrier="UPS", tracking_url="https://track.example.com/1Z999")
    (made,) = await fulfilments(bridge, order_id, 1)

    assert units(made) == {"TEE": 2, "CAP": 1}
    assert (made["tracking_number"], made["tracking_company"]) == ("1Z999", "UPS")
    assert made["tracking_url"] == "https://track.example.com/1Z999"
    assert made["notify_customer"] is False
    state = await bridge.shopify(order_id)
    assert state["order"]["fulfillment_status"] == "fulfilled"
    assert {row["status"] for row in state["fulfillment_orders"]} == {"CLOSED"}


async def test_a_partial_shipment_fulfils_only_what_was_shipped(bridge: Bridge) -> None:
    order_id, books = await an_open_order(bridge, an_item("TEE", 3, "10.00"), an_item("CAP", 1, "4.00"))
    await bridge.ship(books, [{"sku": "TEE", "qty": 2}], tracking_number="P1")
    (made,) = await fulfilments(bridge, order_id, 1)

    assert units(made) == {"TEE": 2}
    assert (await bridge.shopify(order_id))["order"]["fulfillment_status"] == "partial"
    after = await bridge.heartland_order(order_id)
    assert after is not None
    assert after.status == "open"


@pytest.mark.capability("S88")
async def test_an_order_split_over_two_invoices_gets_two_fulfilments_each_with_its_own_tracking(
    bridge: Bridge,
) -> None:
    order_id, books = await an_open_order(bridge, an_item("TEE", 3, "10.00"), an_item("CAP", 2, "4.00"))
    await bridge.ship(books, [{"sku": "TEE", "qty": 1}, {"sku": "CAP", "qty": 2}], tracking_number="A", carrier="UPS")
    await bridge.ship(books, tracking_number="B", carrier="FedEx")
    made = await fulfilments(bridge, order_id, 2)

    told = {(row["tracking_number"], row["tracking_company"]): units(row) for row in made}
    assert told == {("A", "UPS"): {"TEE": 1, "CAP": 2}, ("B", "FedEx"): {"TEE": 2}}
    assert (await bridge.shopify(order_id))["order"]["fulfillment_status"] == "fulfilled"


async def test_units_that_stand_as_two_lines_in_heartland_are_one_line_in_shopify(bridge: Bridge) -> None:
    # A discount that does not divide makes two lines there; the shop knows one line of three units.
    order_id, books = await an_open_order(bridge, an_item("CAP", 3, "10.00", off="1.00"))
    assert len(books.lines) == 2
    await bridge.ship(books)
    (made,) = await fulfilments(bridge, order_id, 1)

    assert units(made) == {"CAP": 3}


async def test_tips_and_other_extras_of_an_invoice_are_not_fulfilled(bridge: Bridge) -> None:
    tipped = a_document(
        next(bridge.numbers), an_item("TEE", 1, "10.00"), total_tip_received="2.00", total_price="17.00"
    )
    order_id = await bridge.post(tipped)
    books = await bridge.in_heartland(order_id)
    assert books.lines == [("TEE", 1, "10.00"), ("TIP", 1, "2.00")]
    await bridge.ship(books)
    (made,) = await fulfilments(bridge, order_id, 1)

    assert units(made) == {"TEE": 1}


async def test_an_invoice_is_fulfilled_once_though_it_is_seen_again_and_changed(bridge: Bridge) -> None:
    order_id, books = await an_open_order(bridge)
    shipped = await bridge.ship(books, tracking_number="1Z5")
    await fulfilments(bridge, order_id, 1)
    before = (await bridge.heartland_order(order_id)).invoices[0]["updated_at"]

    async def changed() -> bool:
        return await bridge.change_invoice(shipped["invoice_id"], {"custom": {"packed_by": "Ira"}}) > before

    # Somebody adds a remark in Heartland, not within the same second: the invoice comes round as a new notice.
    await bridge.until("the invoice to count as changed", changed)
    await bridge.hop(order_id, "shopify_writer", "duplicate", entity="fulfilment")
    polls = await bridge.metric("poller", "api_calls_total")

    async def polled_again() -> bool:
        return await bridge.metric("poller", "api_calls_total") >= polls + 3

    await bridge.until("three more polls", polled_again)
    assert len((await bridge.shopify(order_id))["fulfillments"]) == 1
    assert len(await bridge.fulfilled(order_id)) == 1


@pytest.mark.capability("S28")
async def test_an_answer_that_got_lost_does_not_make_a_second_fulfilment(bridge: Bridge) -> None:
    order_id, books = await an_open_order(bridge)
    await bridge.faults({"system": "shopify", "kind": "error_after", "operation": "CreateFulfilment", "times": 1})
    await bridge.ship(books, tracking_number="1Z6")
    # The writer is told of a failure, though the fulfilment is there; it looks and finds it.
    await bridge.hop(order_id, "shopify_writer", "applied", "duplicate", entity="fulfilment")

    assert await bridge.fault_hits() == 1
    assert len((await bridge.shopify(order_id))["fulfillments"]) == 1
    assert len(await bridge.fulfilled(order_id)) == 1


async def test_a_shipment_that_nobody_polled_while_the_poller_was_away_is_not_missed(bridge: Bridge) -> None:
    order_id, books = await an_open_order(bridge)
    await bridge.stack.supervisor.kill("poller")
    await bridge.ship(books, tracking_number="1Z7")
    (made,) = await fulfilments(bridge, order_id, 1)

    assert made["tracking_number"] == "1Z7"
    assert bridge.stack.supervisor.states["poller"].restarts >= 1
