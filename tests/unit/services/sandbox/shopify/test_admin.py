"""What staff and mutations do to an order's money, lines and state."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from services.sandbox.shopify import admin
from services.sandbox.shopify.shop import Shop
from tests.unit.services.sandbox.shopify.builders import a_line, an_order
from tests.unit.services.sandbox.shopify.conftest import Ask

Json = dict[str, Any]
PENDING = {"financial_status": "pending", "total_outstanding": "26.60", "payment_gateway_names": []}
MONEY = """query($id: ID!) { order(id: $id) { displayFinancialStatus totalPriceSet { shopMoney { amount } }
  currentTotalPriceSet { shopMoney { amount } } totalOutstandingSet { shopMoney { amount } }
  totalReceivedSet { shopMoney { amount } } lineItems(first: 9) { nodes { sku quantity currentQuantity } } } }"""


def money(ask: Ask) -> Json:
    found: Json = ask(MONEY, id="gid://shopify/Order/5001")["order"]
    return {name: value["shopMoney"]["amount"] if "shopMoney" in value else value for name, value in found.items()}


def test_a_part_payment_leaves_the_rest_outstanding(shop: Shop, ask: Ask, announced: list[Any]) -> None:
    doc = shop.take(an_order(**PENDING))

    admin.pay(shop, doc, Decimal("20"), "cash")

    found = money(ask)
    assert found["displayFinancialStatus"] == "PARTIALLY_PAID"
    assert (found["totalReceivedSet"], found["totalOutstandingSet"]) == ("20.00", "6.60")
    assert doc["rest"]["payment_gateway_names"] == ["cash"]
    assert [topic for topic, _ in announced] == ["order_transactions/create", "orders/updated"]


def test_the_last_payment_makes_it_paid(shop: Shop, ask: Ask, announced: list[Any]) -> None:
    admin.pay(shop, shop.take(an_order(**PENDING)))

    assert money(ask)["displayFinancialStatus"] == "PAID"
    assert "orders/paid" in [topic for topic, _ in announced]


def test_an_authorization_is_captured_by_paying(shop: Shop) -> None:
    doc = shop.take(an_order(financial_status="authorized", total_outstanding="26.60"))

    paid = admin.pay(shop, doc)

    assert (paid["kind"], paid["parent_id"]) == ("capture", doc["payments"][0]["id"])


def test_a_paid_order_accepts_no_payment(shop: Shop) -> None:
    with pytest.raises(admin.InvalidChange):
        admin.pay(shop, shop.take(an_order()))


def test_mark_as_paid(shop: Shop, ask: Ask) -> None:
    shop.take(an_order(**PENDING))
    text = """mutation($id: ID!) { orderMarkAsPaid(input: {id: $id}) { order { fullyPaid transactions { gateway kind } }
        userErrors { message } } }"""

    first = ask(text, id="gid://shopify/Order/5001")["orderMarkAsPaid"]
    second = ask(text, id="gid://shopify/Order/5001")["orderMarkAsPaid"]

    assert first["order"] == {"fullyPaid": True, "transactions": [{"gateway": "manual", "kind": "SALE"}]}
    assert second["userErrors"] == [{"message": "Order cannot be marked as paid."}]


CANCEL = """mutation($id: ID!, $refund: Boolean!) { orderCancel(orderId: $id, reason: CUSTOMER, restock: true,
  refundMethod: {originalPaymentMethodsRefund: $refund}) { job { done } orderCancelUserErrors { code message } } }"""


def test_a_cancelled_order_is_refunded_and_not_shipped(shop: Shop, ask: Ask, announced: list[Any]) -> None:
    doc = shop.take(an_order())

    answer = ask(CANCEL, id="gid://shopify/Order/5001", refund=True)["orderCancel"]

    assert answer == {"job": {"done": True}, "orderCancelUserErrors": []}
    assert money(ask)["displayFinancialStatus"] == "REFUNDED"
    assert doc["rest"]["cancel_reason"] == "customer"
    assert doc["payments"][-1]["kind"] == "refund"
    assert doc["payments"][-1]["parent_id"] == doc["payments"][0]["id"]
    assert [order["status"] for order in doc["fos"]] == ["CANCELLED"]
    assert [topic for topic, _ in announced] == ["refunds/create", "orders/cancelled", "orders/updated"]


def test_an_unpaid_order_is_voided_by_cancelling(shop: Shop, ask: Ask) -> None:
    shop.take(an_order(**PENDING))

    ask(CANCEL, id="gid://shopify/Order/5001", refund=False)

    assert money(ask)["displayFinancialStatus"] == "VOIDED"


def test_an_order_is_cancelled_once(shop: Shop, ask: Ask) -> None:
    shop.take(an_order())
    ask(CANCEL, id="gid://shopify/Order/5001", refund=False)

    answer = ask(CANCEL, id="gid://shopify/Order/5001", refund=False)["orderCancel"]

    assert answer["orderCancelUserErrors"][0]["code"] == "INVALID"
    missing = ask(CANCEL, id="gid://shopify/Order/404", refund=False)["orderCancel"]
    assert missing["orderCancelUserErrors"][0]["code"] == "NOT_FOUND"


def test_a_shipped_order_is_not_cancelled(shop: Shop) -> None:
    doc = shop.take(an_order(fulfillments=[{"status": "success", "line_items": [{"id": 9001, "quantity": 1}]}]))

    with pytest.raises(admin.InvalidChange, match="fulfillments"):
        admin.cancel(shop, doc)


def test_removing_units_lowers_what_is_current_and_keeps_what_was_sold(
    shop: Shop, ask: Ask, announced: list[Any]
) -> None:
    doc = shop.take(an_order(**PENDING))

    edited = admin.edit(shop, doc, {"remove": [{"sku": "SKU-1", "quantity": 1}]})

    found = money(ask)
    assert found["lineItems"]["nodes"] == [{"sku": "SKU-1", "quantity": 2, "currentQuantity": 1}]
    assert (found["totalPriceSet"], found["currentTotalPriceSet"]) == ("26.60", "15.80")
    assert found["totalOutstandingSet"] == "15.80"
    assert edited["order_edit"]["line_items"]["removals"] == [{"id": 9001, "delta": 1}]
    assert doc["fos"][0]["lines"][0]["remaining"] == 1
    assert [topic for topic, _ in announced] == ["orders/edited", "orders/updated"]


def test_an_added_line_raises_both_totals_and_is_to_be_paid(shop: Shop, ask: Ask) -> None:
    doc = shop.take(an_order())

    admin.edit(shop, doc, {"add": [{"sku": "SKU-9", "title": "Extra", "price": "4.00", "quantity": 2}]})

    found = money(ask)
    assert (found["totalPriceSet"], found["currentTotalPriceSet"], found["totalOutstandingSet"]) == (
        "34.60", "34.60", "8.00",
    )  # fmt: skip
    assert found["displayFinancialStatus"] == "PARTIALLY_PAID"
    assert [row["remaining"] for row in doc["fos"][0]["lines"]] == [2, 2]


@pytest.mark.parametrize(
    "wish",
    [{"sku": "SKU-404", "quantity": 1}, {"sku": "SKU-1", "quantity": 3}, {"line_item_id": 9001, "quantity": 0}],
    ids=["no such line", "more than there are", "none"],
)
def test_a_missing_line_cannot_be_removed(shop: Shop, wish: Json) -> None:
    with pytest.raises(admin.InvalidChange):
        admin.edit(shop, shop.take(an_order()), {"remove": [wish]})


def test_tags_are_added_once_and_removed_in_any_case(shop: Shop, ask: Ask, announced: list[Any]) -> None:
    doc = shop.take(an_order(tags="b, a"))
    add = (
        'mutation { tagsAdd(id: "gid://shopify/Order/5001", tags: ["c", "a"]) { node { id } userErrors { message } } }'
    )

    ask(add)
    ask(add)
    ask('mutation { tagsRemove(id: "gid://shopify/Order/5001", tags: ["B"]) { userErrors { message } } }')

    assert doc["rest"]["tags"] == "a, c"
    assert [topic for topic, _ in announced] == ["orders/updated", "orders/updated"]


def test_customers_have_tags_too(shop: Shop, ask: Ask) -> None:
    shop.take(an_order())

    ask('mutation { tagsAdd(id: "gid://shopify/Customer/4001", tags: ["vip"]) { userErrors { message } } }')

    assert ask('{ customer(id: "gid://shopify/Customer/4001") { tags } }') == {"customer": {"tags": ["vip"]}}


def test_order_update_replaces_lists_and_keeps_the_rest(shop: Shop, ask: Ask) -> None:
    shop.take(an_order(tags="old", note="hello", note_attributes=[{"name": "a", "value": "b"}]))
    text = """mutation($i: OrderInput!) { orderUpdate(input: $i) { order { note tags customAttributes { key value }
        shippingAddress { firstName city zip } metafields(first: 2) { nodes { value } } } userErrors { message } } }"""
    wish = {
        "id": "gid://shopify/Order/5001",
        "tags": ["new"],
        "customAttributes": [{"key": "c", "value": "d"}],
        "shippingAddress": {"zip": "40202"},
        "metafields": [{"namespace": "tillbridge", "key": "note", "value": "x", "type": "single_line_text_field"}],
    }

    found = ask(text, i=wish)["orderUpdate"]["order"]

    assert found == {
        "note": "hello",
        "tags": ["new"],
        "customAttributes": [{"key": "c", "value": "d"}],
        "shippingAddress": {"firstName": "Ada", "city": "Louisville", "zip": "40202"},
        "metafields": {"nodes": [{"value": "x"}]},
    }


def test_personal_data_can_be_hidden_without_being_lost(shop: Shop, ask: Ask) -> None:
    shop.take(an_order(email="ada@example.com", line_items=[a_line()]))
    shop.options.hide_personal_data = True
    query = """{ order(id: "gid://shopify/Order/5001") {
        email customer { id firstName defaultEmailAddress { emailAddress } }
        shippingAddress { firstName city countryCodeV2 } } }"""

    hidden = ask(query)["order"]
    ask('mutation { tagsAdd(id: "gid://shopify/Order/5001", tags: ["x"]) { userErrors { message } } }')
    shop.options.hide_personal_data = False

    assert hidden == {
        "email": None,
        "customer": {"id": "gid://shopify/Customer/4001", "firstName": None, "defaultEmailAddress": None},
        "shippingAddress": {"firstName": None, "city": None, "countryCodeV2": "US"},
    }
    assert ask(query)["order"]["shippingAddress"]["firstName"] == "Ada"
