"""Every recorded Shopify order goes through the whole system and stands in Heartland to the cent, or before a person.

What Heartland should hold is written out by hand from the recorded files. Several of them share an id, as examples of
documentation do; such a one gets an id of its own here, and nothing else is changed. That they share names, too, is
left as it is: in Heartland the number of an order must be told apart all the same.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson
import pytest

from tests.support.samples import sample, sample_names
from tests.support.stack import Bridge, StoredOrder

IPODS = [("IPOD2008BLACK", 1, "195.67"), ("IPOD2008GREEN", 1, "195.66"), ("IPOD2008RED", 1, "195.67")]
OWN_IDS = {name: 720_000_000_001 + at for at, name in enumerate(sample_names("shopify", "order_*.json"))}


def recorded(name: str) -> dict[str, Any]:
    document: dict[str, Any] = orjson.loads(sample("shopify", name))["order"]
    order_id = OWN_IDS[name]
    return {**document, "id": order_id, "admin_graphql_api_id": f"gid://shopify/Order/{order_id}"}


def held(books: StoredOrder) -> tuple[str, list[tuple[str, int, str]], dict[str, str], list[str]]:
    """What must be right to the cent: total, lines, taxes, payments."""
    return f"{books.total:.2f}", books.lines, books.taxes, books.payments


async def written_about(bridge: Bridge, order_id: str) -> list[str]:
    """Writes to Heartland that name this order anywhere."""
    return [entry["path"] for entry in await bridge.writes("heartland") if order_id in str(entry["body"])]


@pytest.mark.capability("S78", "S79")
async def test_a_code_discount_over_three_lines_of_which_two_were_refunded_later(bridge: Bridge) -> None:
    order_id = await bridge.post(recorded("order_discounts_partial_refund_2026-07.json"))
    books = await bridge.in_heartland(order_id)

    # Sold is sold: the refund is no part of the order, a person is asked for the return.
    assert held(books) == ("598.94", IPODS, {"State Tax": "11.94"}, ["598.94"])
    review = await bridge.review(order_id, "refund_by_hand")
    assert review.details["amount"] == "209.00"


async def test_cancelled_and_paid_back_is_canceled_in_heartland_with_its_figures(bridge: Bridge) -> None:
    order_id = await bridge.post(recorded("order_cancelled_fully_refunded_2026-07.json"))
    books = await bridge.in_heartland(order_id, lambda books: books.status == "canceled")

    assert held(books) == ("598.94", IPODS, {"State Tax": "11.94"}, ["598.94"])
    review = await bridge.review(order_id, "refund_by_hand")
    assert review.details["amount"] == "10.00"


async def test_half_paid_by_a_gateway_without_a_name_for_a_customer_with_another_address_of_mail(
    bridge: Bridge,
) -> None:
    order_id = await bridge.post(recorded("order_partially_paid_email_differs_2026-07.json"))
    books = await bridge.in_heartland(order_id)

    assert held(books) == ("199.00", [("IPOD2009BLACK", 1, "199.00")], {}, ["50.00"])
    assert Decimal(books.order["balance"]) == Decimal("149.00")
    assert books.record["customer"]["email"] == "paul.norman@example.com"


async def test_nothing_paid_yet_and_no_address_at_all(bridge: Bridge) -> None:
    order_id = await bridge.post(recorded("order_pending_api_app_2026-07.json"))
    books = await bridge.in_heartland(order_id)

    assert held(books) == ("199.00", [("IPOD2009BLACK", 1, "199.00")], {}, [])
    assert (books.record["billing_address"], books.record["shipping_address"]) == (None, None)


async def test_fulfilled_elsewhere_for_a_customer_known_by_mail_alone(bridge: Bridge) -> None:
    order_id = await bridge.post(recorded("order_fulfilled_customer_without_names_2026-07.json"))
    books = await bridge.in_heartland(order_id)

    # It says "paid", and that all of it is outstanding; no transaction says that money came.
    assert held(books) == ("199.00", [("IPOD2008BLACK", 1, "199.00")], {}, [])
    assert books.record["customer"]["email"] == "foo@example.com"


async def test_most_fields_are_absent_and_two_of_three_lines_were_taken_off_by_an_edit(bridge: Bridge) -> None:
    order_id = await bridge.post(recorded("order_fields_projection_2026-07.json"))
    books = await bridge.in_heartland(order_id)

    # The stated 598.94 less twice what went: 195.66 and 195.67 with 3.98 tax each.
    assert held(books) == ("199.65", [("IPOD2008RED", 1, "195.67")], {"State Tax": "3.98"}, [])


async def test_cancelled_and_voided_with_lines_that_have_no_sku_and_cost_nothing(bridge: Bridge) -> None:
    order_id = await bridge.post(recorded("order_cancelled_voided_custom_lines.json"))
    books = await bridge.in_heartland(order_id, lambda books: books.status == "canceled")

    assert held(books) == ("10.00", [("MISC", 1, "0.00"), ("MISC", 1, "0.00")], {}, [])
    assert Decimal(books.order["shipping_charge"]) == Decimal("10.00")


async def test_euros_with_tax_included_of_a_store_that_charged_none(bridge: Bridge) -> None:
    order_id = await bridge.post(recorded("order_tax_included_eur_partially_fulfilled.json"))
    books = await bridge.in_heartland(order_id)

    assert held(books) == ("470.00", [("MISC", 3, "150.00"), ("MISC", 5, "0.00")], {}, ["470.00"])
    assert Decimal(books.order["shipping_charge"]) == Decimal("20.00")


async def test_the_same_store_later_with_a_refund(bridge: Bridge) -> None:
    order_id = await bridge.post(recorded("order_tax_included_eur_refund.json"))
    books = await bridge.in_heartland(order_id)

    assert held(books) == ("470.00", [("MISC", 3, "150.00"), ("MISC", 5, "0.00")], {}, ["470.00"])
    review = await bridge.review(order_id, "refund_by_hand")
    assert (review.details["amount"], review.details["currency"]) == ("150.00", "EUR")


@pytest.mark.parametrize(
    ("name", "stated", "computed", "difference"),
    [
        # Three lines at 199.00 where the total has room for two.
        pytest.param("order_2013_shape.json", "409.94", "608.94", "-199.00", id="the oldest shape"),
        # The lines were replaced by coffee, the totals are still those of the music players.
        pytest.param("order_bundle_by_properties.json", "409.94", "80.94", "329.00", id="bundles in properties"),
    ],
)
async def test_an_order_that_contradicts_itself_is_shown_with_its_difference_and_not_written(
    bridge: Bridge, name: str, stated: str, computed: str, difference: str
) -> None:
    order_id = await bridge.post(recorded(name))
    review = await bridge.review(order_id, "order_unbalanced")

    figures = {key: review.details[key] for key in ("stated", "computed", "difference")}
    assert figures == {"stated": stated, "computed": computed, "difference": difference}
    # The hop comes after everything that was done with the notice.
    await bridge.hop(order_id, "transformers", "review")
    assert await bridge.heartland_order(order_id) is None
    assert await written_about(bridge, order_id) == []


@pytest.mark.capability("S77", "S100")
async def test_two_orders_of_one_name_both_arrive_and_can_be_told_apart(bridge: Bridge) -> None:
    first, second = (
        {**recorded(name), "id": order_id, "admin_graphql_api_id": f"gid://shopify/Order/{order_id}"}
        for name, order_id in (
            ("order_pending_api_app_2026-07.json", 720_000_000_101),
            ("order_discounts_partial_refund_2026-07.json", 720_000_000_102),
        )
    )
    second = {**second, "name": first["name"]}
    ids = [await bridge.post(document) for document in (first, second)]
    one, other = [await bridge.in_heartland(order_id) for order_id in ids]

    assert (one.total, other.total) == (Decimal("199.00"), Decimal("598.94"))
    assert one.id != other.id
    assert one.order["public_id"] != other.order["public_id"]


def test_every_recorded_order_has_a_test_of_its_own() -> None:
    with open(__file__, encoding="utf-8") as file:  # noqa: PTH123 - this very file
        told = file.read()

    assert [name for name in sample_names("shopify", "order_*.json") if name not in told] == []
