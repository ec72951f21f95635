"""Old and incomplete orders are completed."""

from __future__ import annotations

from typing import Any

import pytest

from services.sandbox.shopify.shop import Shop
from tests.unit.services.sandbox.shopify.builders import a_line, an_order
from tests.unit.services.sandbox.shopify.conftest import Ask, SleepingClock

TOTALS = (
    "query($id: ID!) { order(id: $id) { totalPriceSet { shopMoney { amount } } totalTaxSet { shopMoney { amount } } } }"
)


def test_what_is_missing_is_assigned(shop: Shop) -> None:
    doc = shop.take({"line_items": [{"title": "Soap", "price": "3.00"}]})

    rest = doc["rest"]
    assert len(str(rest["id"])) == 13
    assert rest["name"] == "#1001"
    assert rest["currency"] == "USD"
    assert rest["created_at"] == "2026-11-20T05:00:00-05:00"
    assert rest["line_items"][0]["id"] != rest["id"]


def test_order_names_are_consecutive(shop: Shop) -> None:
    names = [shop.take({"line_items": []})["rest"]["name"] for _ in range(3)]

    assert names == ["#1001", "#1002", "#1003"]


@pytest.mark.parametrize("number", [2**53 + 1, 9_000_000_000_000_000_001], ids=["beyond 2^53", "19 digits"])
def test_large_ids_stay_exact(shop: Shop, ask: Ask, number: int) -> None:
    shop.take(an_order(id=number))

    found = ask("query($id: ID!) { order(id: $id) { legacyResourceId } }", id=f"gid://shopify/Order/{number}")

    assert found["order"] == {"legacyResourceId": str(number)}


@pytest.mark.parametrize("wrong", ["abc", 2**63, -5, 1.5], ids=str)
def test_an_invalid_id_is_rejected(shop: Shop, wrong: Any) -> None:
    with pytest.raises(ValueError, match="not an id"):
        shop.take({"id": wrong, "line_items": []})


def test_posted_totals_are_never_recomputed(shop: Shop, ask: Ask) -> None:
    shop.take(an_order(total_price="409.940", total_tax="7"))

    found = ask(TOTALS, id="gid://shopify/Order/5001")["order"]

    assert found["totalPriceSet"]["shopMoney"]["amount"] == "409.940"
    assert found["totalTaxSet"]["shopMoney"]["amount"] == "7"


def test_missing_totals_are_the_sum_of_the_parts(shop: Shop, ask: Ask) -> None:
    order = an_order()
    del order["total_price"], order["total_tax"]
    shop.take(order)

    found = ask(TOTALS, id="gid://shopify/Order/5001")["order"]

    assert found["totalPriceSet"]["shopMoney"]["amount"] == "26.60"
    assert found["totalTaxSet"]["shopMoney"]["amount"] == "1.60"


def test_included_tax_is_not_added_again(shop: Shop, ask: Ask) -> None:
    order = an_order(taxes_included=True)
    del order["total_price"]
    shop.take(order)

    assert ask(TOTALS, id="gid://shopify/Order/5001")["order"]["totalPriceSet"]["shopMoney"]["amount"] == "25.00"


def test_tax_of_the_order_alone_stays_with_the_order(shop: Shop, ask: Ask) -> None:
    shop.take(an_order(line_items=[a_line()], tax_lines=[{"title": "VAT", "rate": 0.08, "price": "1.60"}]))

    query = (
        "query($id: ID!) { order(id: $id) { taxLines { title } lineItems(first: 5) { nodes { taxLines { title } } } } }"
    )
    found = ask(query, id="gid://shopify/Order/5001")["order"]

    assert found["taxLines"] == [{"title": "VAT"}]
    assert found["lineItems"]["nodes"][0]["taxLines"] == []


def test_a_plain_line_discount_becomes_an_allocation(shop: Shop, ask: Ask) -> None:
    shop.take(an_order(line_items=[a_line(total_discount="5.00")]))
    query = """query($id: ID!) { order(id: $id) { lineItems(first: 5) { nodes { discountAllocations {
        allocatedAmountSet { shopMoney { amount } } discountApplication { __typename index } } } } } }"""

    line = ask(query, id="gid://shopify/Order/5001")["order"]["lineItems"]["nodes"][0]

    assert line["discountAllocations"] == [
        {
            "allocatedAmountSet": {"shopMoney": {"amount": "5.00"}},
            "discountApplication": {"__typename": "ManualDiscountApplication", "index": 0},
        }
    ]


def test_a_known_id_is_an_update_with_a_newer_time(shop: Shop, clock: SleepingClock) -> None:
    shop.take(an_order())
    clock.advance(60)

    doc = shop.take(an_order(note="leave at the door"))

    assert len(shop.orders) == 1
    assert doc["rest"]["note"] == "leave at the door"
    assert doc["rest"]["updated_at"] == "2026-11-20T05:01:00-05:00"


def test_a_newer_posted_time_is_kept(shop: Shop) -> None:
    shop.take(an_order())

    doc = shop.take(an_order(updated_at="2026-11-20T04:30:00-05:00"))

    assert doc["rest"]["updated_at"] == "2026-11-20T04:30:00-05:00"


def test_variants_and_customers_come_with_the_order(shop: Shop, ask: Ask) -> None:
    shop.take(an_order())

    found = ask("{ productVariants(first: 5, query: \"sku:'SKU-1'\") { nodes { sku price product { title } } } }")
    person = ask('{ customerByIdentifier(identifier: {emailAddress: "ADA@example.com"}) { displayName } }')

    assert found["productVariants"]["nodes"] == [{"sku": "SKU-1", "price": "10.00", "product": {"title": "Thing 1"}}]
    assert person["customerByIdentifier"] == {"displayName": "Ada Example"}


def test_a_custom_line_has_no_variant(shop: Shop, ask: Ask) -> None:
    shop.take(an_order(line_items=[a_line(variant_id=None, product_id=None)]))

    query = "query($id: ID!) { order(id: $id) { lineItems(first: 5) { nodes { sku variant { id } } } } }"
    line = ask(query, id="gid://shopify/Order/5001")["order"]["lineItems"]["nodes"][0]

    assert line == {"sku": "SKU-1", "variant": None}


def test_records_survive_compression(shop: Shop, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.sandbox.shopify.orders.OPEN_RECORDS", 3)
    for number in range(20):
        shop.take(an_order(id=5001 + number, name=f"#{number}"))

    ids = [f"gid://shopify/Order/{5001 + number}" for number in range(20)]
    found = ask("query($ids: [ID!]!) { nodes(ids: $ids) { ... on Order { name } } }", ids=ids)

    assert [node["name"] for node in found["nodes"]] == [f"#{number}" for number in range(20)]


def test_tax_lines_that_only_lines_have_are_added_up(shop: Shop, ask: Ask) -> None:
    tax = {"title": "Tax", "rate": 0.08, "price": "1.60"}
    shop.take(an_order(line_items=[a_line(1, tax_lines=[tax]), a_line(2, tax_lines=[tax])]))

    query = "query($id: ID!) { order(id: $id) { taxLines { title rate priceSet { shopMoney { amount } } } } }"
    found = ask(query, id="gid://shopify/Order/5001")["order"]["taxLines"]

    assert found == [{"title": "Tax", "rate": 0.08, "priceSet": {"shopMoney": {"amount": "3.20"}}}]
