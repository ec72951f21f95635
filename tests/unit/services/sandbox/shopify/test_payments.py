"""Transactions are derived from the posted amounts."""

from __future__ import annotations

from typing import Any

import pytest

from services.sandbox.shopify.shop import Shop
from tests.unit.services.sandbox.shopify.builders import an_order
from tests.unit.services.sandbox.shopify.conftest import Ask

REFUND = {
    "id": 3001,
    "created_at": "2026-11-20T06:00:00-05:00",
    "refund_line_items": [{"id": 1, "line_item_id": 9001, "quantity": 1, "subtotal": 10.0, "total_tax": 0.8}],
    "transactions": [{"id": 2002, "kind": "refund", "status": "success", "amount": "10.80", "parent_id": 2001}],
}


def kinds(doc: dict[str, Any]) -> list[tuple[str, str]]:
    return [(payment["kind"], payment["amount"]) for payment in doc["payments"]]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({}, [("sale", "26.60")], id="paid"),
        pytest.param({"total_outstanding": None}, [("sale", "26.60")], id="paid, outstanding not said"),
        pytest.param({"financial_status": "pending", "total_outstanding": "26.60"}, [], id="pending"),
        pytest.param(
            {"financial_status": "partially_paid", "total_outstanding": "6.60"}, [("sale", "20.00")], id="in part"
        ),
        pytest.param({"financial_status": "authorized"}, [("authorization", "26.60")], id="authorized"),
        pytest.param({"financial_status": "voided"}, [("authorization", "26.60"), ("void", "26.60")], id="voided"),
        pytest.param({"financial_status": None, "total_outstanding": None}, [], id="nothing said"),
        pytest.param(
            {"financial_status": "refunded", "total_outstanding": "26.60"}, [("sale", "26.60")], id="outstanding again"
        ),
    ],
)
def test_money_follows_the_posted_figures(shop: Shop, fields: dict[str, Any], expected: list[Any]) -> None:
    assert kinds(shop.take(an_order(**fields))) == expected


def test_explicit_transactions_win(shop: Shop) -> None:
    given = [
        {"kind": "sale", "gateway": "gift_card", "amount": "6.60"},
        {"kind": "sale", "gateway": "shopify_payments", "amount": "20.00"},
    ]

    doc = shop.take(an_order(transactions=given))

    assert kinds(doc) == [("sale", "6.60"), ("sale", "20.00")]
    assert "transactions" not in doc["rest"]


def test_a_refund_points_to_the_payment_it_undoes(shop: Shop, ask: Ask) -> None:
    shop.take(an_order(financial_status="partially_refunded", refunds=[REFUND]))
    query = """query($id: ID!) { order(id: $id) { totalRefundedSet { shopMoney { amount } }
        transactions(first: 9) { kind parentTransaction { id } } refunds { refundLineItems(first: 5) { nodes {
        quantity subtotalSet { shopMoney { amount } } lineItem { currentQuantity } } } } } }"""

    found = ask(query, id="gid://shopify/Order/5001")["order"]

    assert found["totalRefundedSet"]["shopMoney"]["amount"] == "10.80"
    assert found["transactions"] == [
        {"kind": "SALE", "parentTransaction": None},
        {"kind": "REFUND", "parentTransaction": {"id": "gid://shopify/OrderTransaction/2001"}},
    ]
    line = found["refunds"][0]["refundLineItems"]["nodes"][0]
    assert line == {"quantity": 1, "subtotalSet": {"shopMoney": {"amount": "10.0"}}, "lineItem": {"currentQuantity": 1}}


def test_a_later_payment_is_added_to_what_is_known(shop: Shop) -> None:
    first = shop.take(an_order(financial_status="partially_paid", total_outstanding="6.60"))
    known = first["payments"][0]["id"]

    doc = shop.take(an_order())

    assert kinds(doc) == [("sale", "20.00"), ("sale", "6.60")]
    assert doc["payments"][0]["id"] == known


def test_an_authorization_is_captured(shop: Shop) -> None:
    shop.take(an_order(financial_status="authorized"))

    doc = shop.take(an_order(financial_status="paid"))

    assert kinds(doc) == [("authorization", "26.60"), ("capture", "26.60")]
    assert doc["payments"][1]["parent_id"] == doc["payments"][0]["id"]


def test_money_in_the_customers_currency_is_turned_into_the_shops(shop: Shop, ask: Ask) -> None:
    both = {
        "shop_money": {"amount": "26.60", "currency_code": "USD"},
        "presentment_money": {"amount": "24.50", "currency_code": "EUR"},
    }
    paid = [{"kind": "sale", "gateway": "visa", "amount": "24.50", "currency": "EUR"}]
    shop.take(an_order(presentment_currency="EUR", total_price_set=both, transactions=paid))
    query = """query($id: ID!) { order(id: $id) { transactions { amountSet {
        shopMoney { amount currencyCode } presentmentMoney { amount currencyCode } } } } }"""

    found = ask(query, id="gid://shopify/Order/5001")["order"]["transactions"][0]["amountSet"]

    assert found == {
        "shopMoney": {"amount": "26.60", "currencyCode": "USD"},
        "presentmentMoney": {"amount": "24.50", "currencyCode": "EUR"},
    }
