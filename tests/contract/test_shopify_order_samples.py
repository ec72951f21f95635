"""Every recorded Shopify order: posted to the sandbox, read back through GraphQL, balanced or shown to a person.

Each test says what is special about its order.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import orjson
import pytest

from shared.entities.order.record import Order
from shared.entities.order.shopify.pages import complete, read_orders
from shared.entities.order.shopify.to_canonical import from_shopify
from shared.entities.order.shopify.webhook_body import from_webhook, parse
from shared.entities.order.transform import require_balance
from shared.errors import NeedsReview
from tests.support.samples import sample, sample_names
from tests.support.sandbox import Sandbox, open_sandbox
from tests.support.shop_server import sandbox_client


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with open_sandbox() as opened:
        yield opened


async def read_back(sandbox: Sandbox, name: str, **extra: Any) -> Order:
    """The sample as the transformer sees it."""
    posted = orjson.loads(sample("shopify", name))
    order_id = str((await sandbox.control("POST", "/shopify/orders", {**posted["order"], **extra}))["id"])
    client = sandbox_client(sandbox)
    node = (await read_orders([order_id], client.execute))[order_id]
    assert node is not None
    return from_shopify(await complete(node, client.execute))


def quantities(order: Order) -> list[tuple[int, int, int, int]]:
    return [(line.quantity, line.current_quantity, line.removed, line.refunded) for line in order.lines]


async def test_code_discount_over_three_lines_of_which_two_were_refunded(sandbox: Sandbox) -> None:
    order = await read_back(sandbox, "order_discounts_partial_refund_2026-07.json")

    assert [(str(line.discount), line.discounts[0].label) for line in order.lines] == [
        ("3.34", "TENOFF"),
        ("3.33", "TENOFF"),
        ("3.33", "TENOFF"),
    ]
    # Refunded units still count in the total before returns: 598.94, not the current 199.65.
    assert quantities(order) == [(1, 0, 0, 1), (1, 1, 0, 0), (1, 0, 0, 1)]
    assert (order.total, order.tax, order.difference) == (Decimal("598.94"), Decimal("11.94"), 0)
    # More went back than the lines were worth: the refund is Shopify's figure, not a sum of ours.
    assert [str(refund.amount) for refund in order.refunds] == ["209.00"]
    assert [(tender.gateway, str(tender.money)) for tender in order.tenders] == [("bogus", "598.94 USD")]


async def test_cancelled_and_refunded_in_full(sandbox: Sandbox) -> None:
    order = await read_back(sandbox, "order_cancelled_fully_refunded_2026-07.json")

    assert order.cancelled_at is not None
    assert (order.cancel_reason, order.financial_status) == ("other", "refunded")
    assert {line.current_quantity for line in order.lines} == {0}
    assert {line.removed for line in order.lines} == {0}
    assert (order.total, order.difference) == (Decimal("598.94"), 0)


async def test_order_and_customer_have_different_addresses_of_mail_and_half_is_paid_by_a_gateway_without_name(
    sandbox: Sandbox,
) -> None:
    order = await read_back(sandbox, "order_partially_paid_email_differs_2026-07.json")

    assert (order.email, order.customer.email) == ("jane@example.com", "paul.norman@example.com")
    assert [(tender.gateway, tender.kind, str(tender.money)) for tender in order.tenders] == [
        ("", "other", "50.00 USD")
    ]
    assert order.billing_address is not None
    assert order.shipping_address is not None
    assert (order.billing_address.first_name, order.shipping_address.first_name) == ("John", "Jane")
    assert (order.financial_status, order.total, order.difference) == ("partially_paid", Decimal("199.00"), 0)


async def test_nothing_paid_yet_by_an_app_that_names_itself_by_number(sandbox: Sandbox) -> None:
    order = await read_back(sandbox, "order_pending_api_app_2026-07.json")

    assert (order.source_name, order.financial_status, order.tenders) == ("755357713", "pending", ())
    assert (order.billing_address, order.shipping_address) == (None, None)
    assert (order.total, order.difference) == (Decimal("199.00"), 0)


async def test_fulfilled_for_a_customer_without_a_name(sandbox: Sandbox) -> None:
    order = await read_back(sandbox, "order_fulfilled_customer_without_names_2026-07.json")

    assert (order.customer.email, order.customer.first_name, order.customer.last_name) == ("foo@example.com", "", "")
    assert order.fulfilment_status == "fulfilled"
    assert (order.total, order.difference) == (Decimal("199.00"), 0)


async def test_most_fields_are_absent_and_two_lines_are_gone_without_a_refund(sandbox: Sandbox) -> None:
    order = await read_back(sandbox, "order_fields_projection_2026-07.json")

    # What is neither left nor refunded was taken off by an edit.
    assert quantities(order) == [(1, 0, 1, 0), (1, 1, 0, 0), (1, 0, 1, 0)]
    assert (order.customer.email, order.shipping_lines) == ("", ())
    assert (order.total, order.difference) == (Decimal("598.94"), 0)


async def test_the_oldest_shape_contradicts_itself_and_goes_to_a_person(sandbox: Sandbox) -> None:
    order = await read_back(sandbox, "order_2013_shape.json")

    # Its tax stands on the order and on no line; its three lines come to 597.00 where it says 398.00.
    assert [(tax.title, str(tax.amount)) for tax in order.order_taxes] == [("State Tax", "11.94")]
    assert order.financial_status == "authorized"
    assert order.tenders == ()
    with pytest.raises(NeedsReview) as caught:
        require_balance(order)
    details = caught.value.details
    assert (details["stated"], details["computed"], details["difference"]) == ("409.94", "608.94", "-199.00")


async def test_bundles_live_in_the_properties_of_lines_without_sku_and_the_total_is_anothers(sandbox: Sandbox) -> None:
    order = await read_back(sandbox, "order_bundle_by_properties.json")

    assert {line.sku for line in order.lines} == {""}
    first, second = order.lines
    assert first.properties[0] == ("1st Coffee", "Coffee1")
    # One name may stand more than once, and a value may be a whole object.
    assert [value for name, value in second.properties if name == "Coffees"] == [f"Coffee blend {n}" for n in (1, 2, 3)]
    assert "Your First Name" in dict(second.properties)['By default may label with "Roasted for ']
    with pytest.raises(NeedsReview) as caught:
        require_balance(order)
    assert (caught.value.details["computed"], caught.value.details["difference"]) == ("80.94", "329.00")


async def test_cancelled_and_voided_with_a_discount_that_only_a_line_states(sandbox: Sandbox) -> None:
    order = await read_back(sandbox, "order_cancelled_voided_custom_lines.json")

    # 5.00 for a beer less 5.00, a soda for nothing, shipping 10.00. Its current total says 9.50; nothing explains that.
    assert [str(line.net) for line in order.lines] == ["0.00", "0.00"]
    assert {line.variant_id for line in order.lines} == {""}
    assert (order.financial_status, order.cancel_reason, order.tenders) == ("voided", "customer", ())
    assert (order.test, order.total, order.difference) == (True, Decimal("10.00"), 0)


async def test_euros_with_tax_included_partly_fulfilled_and_a_line_for_nothing(sandbox: Sandbox) -> None:
    order = await read_back(sandbox, "order_tax_included_eur_partially_fulfilled.json")

    assert (order.currency, order.taxes_included, order.fulfilment_status) == ("EUR", True, "partially_fulfilled")
    assert [str(line.net) for line in order.lines] == ["450.00", "0.00"]
    assert {line.sku for line in order.lines} == {""}
    # A province that does not exist is absent, the country is a code.
    assert order.shipping_address is not None
    assert (order.shipping_address.province, order.shipping_address.country) == ("", "PL")
    assert (order.total, order.difference) == (Decimal("470.00"), 0)


async def test_the_same_order_later_with_one_of_three_units_refunded(sandbox: Sandbox) -> None:
    payments = orjson.loads(sample("shopify", "transactions_with_refund_eur.json"))["transactions"]

    order = await read_back(sandbox, "order_tax_included_eur_refund.json", transactions=payments)

    assert quantities(order)[0] == (3, 2, 0, 1)
    # Authorised, then captured, then refunded in part: one tender.
    assert [(tender.id, str(tender.money)) for tender in order.tenders] == [("5732822788", "470.00 EUR")]
    assert [str(refund.amount) for refund in order.refunds] == ["150.00"]
    assert (order.total, order.difference) == (Decimal("470.00"), 0)


async def test_captures_count_once_whatever_the_order_of_transactions(sandbox: Sandbox) -> None:
    name = "transactions_authorize_capture_refund_2026-07.json"
    payments = orjson.loads(sample("shopify", name))["transactions"]

    order = await read_back(sandbox, "order_discounts_partial_refund_2026-07.json", transactions=payments)

    captures = [entry for entry in payments if entry["kind"] in {"capture", "sale"} and entry["status"] == "success"]
    assert [tender.id for tender in order.tenders] == [str(entry["id"]) for entry in captures]


# Whether each recorded order adds up.
BALANCED = {
    "order_2013_shape.json": False,
    "order_bundle_by_properties.json": False,
    "order_cancelled_fully_refunded_2026-07.json": True,
    "order_cancelled_voided_custom_lines.json": True,
    "order_discounts_partial_refund_2026-07.json": True,
    "order_fields_projection_2026-07.json": True,
    "order_fulfilled_customer_without_names_2026-07.json": True,
    "order_partially_paid_email_differs_2026-07.json": True,
    "order_pending_api_app_2026-07.json": True,
    "order_tax_included_eur_partially_fulfilled.json": True,
    "order_tax_included_eur_refund.json": True,
}


def test_every_recorded_order_has_its_test() -> None:
    assert sample("shopify", "SOURCES.md")
    assert set(sample_names("shopify", "order_*.json")) == set(BALANCED)


@pytest.mark.parametrize("name", BALANCED)
async def test_every_recorded_order_adds_up_or_says_by_how_much_not(sandbox: Sandbox, name: str) -> None:
    order = await read_back(sandbox, name)

    assert (order.difference == 0) is BALANCED[name]
    assert Order.model_validate_json(order.model_dump_json()) == order


@pytest.mark.parametrize("name", [name for name in BALANCED if "projection" not in name])
async def test_a_body_and_the_api_tell_the_same_order(sandbox: Sandbox, name: str) -> None:
    read = await read_back(sandbox, name)
    told = from_webhook(parse(sample("shopify", name))["order"])

    assert (told.total, told.computed_total) == (read.total, read.computed_total)
    assert quantities(told) == quantities(read)
    assert (told.name, told.email, told.tags, told.note_attributes) == (
        read.name,
        read.email,
        read.tags,
        read.note_attributes,
    )


async def test_an_order_of_five_hundred_lines_is_read_whole(sandbox: Sandbox) -> None:
    line = {"quantity": 1, "price": "1.00", "title": "Thing"}
    lines = [{**line, "id": 10_000 + number, "sku": f"SKU-{number}"} for number in range(500)]
    order = {
        "id": 77, "name": "#77", "currency": "USD", "total_price": "500.00", "financial_status": "pending",
        "line_items": lines,
    }  # fmt: skip
    await sandbox.control("POST", "/shopify/orders", order)
    client = sandbox_client(sandbox)

    node = (await read_orders(["77"], client.execute))["77"]
    assert node is not None
    read = from_shopify(await complete(node, client.execute))

    assert [entry.sku for entry in read.lines] == [f"SKU-{number}" for number in range(500)]
    assert read.difference == 0
