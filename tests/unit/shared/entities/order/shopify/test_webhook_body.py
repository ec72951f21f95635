"""A notice's own body as an order, where a shop wants that."""

from __future__ import annotations

import json
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.entities.order.record import Order
from shared.entities.order.shopify.webhook_body import from_webhook, is_complete, parse
from shared.errors import Rejected


def a_body(**changes: Any) -> dict[str, Any]:
    body: dict[str, Any] = {
        "id": 820982911946154508,
        "name": "#1001",
        "order_number": 1001,
        "created_at": "2026-11-20T05:00:00-05:00",
        "updated_at": "2026-11-20T05:00:00-05:00",
        "currency": "USD",
        "financial_status": "pending",
        "total_price": "15.00",
        "total_outstanding": "15.00",
        "tags": "VIP, b2b",
        "line_items": [{"id": 1, "sku": "SKU-1", "title": "Thing", "quantity": 1, "price": "10.00"}],
        "shipping_lines": [{"id": 2, "title": "Standard", "price": "5.00"}],
    }
    return {**body, **changes}


def test_a_body_becomes_the_same_kind_of_order() -> None:
    order = from_webhook(a_body())

    assert (order.id, order.name, order.tags) == ("820982911946154508", "#1001", ("VIP", "b2b"))
    assert order.difference == 0


@pytest.mark.parametrize(
    ("changes", "enough"),
    [
        pytest.param({}, True, id="nothing was paid yet"),
        pytest.param({"financial_status": "paid", "total_outstanding": "0.00"}, False, id="paid, by what is not said"),
        pytest.param({"total_outstanding": "5.00"}, False, id="paid in part"),
        pytest.param({"financial_status": "authorized"}, False, id="a capture may follow unseen"),
        pytest.param({"financial_status": "paid", "transactions": []}, True, id="it carries its payments"),
        pytest.param({"line_items": None}, False, id="not a whole order"),
        pytest.param({"refunds": [{"id": 1}]}, False, id="refunded"),
    ],
)
def test_a_body_is_used_only_where_no_payment_can_be_missing(changes: dict[str, Any], enough: bool) -> None:
    assert is_complete(a_body(**changes)) is enough


def test_payments_in_a_body_are_tenders() -> None:
    sale = {
        "id": 77, "kind": "sale", "status": "success", "gateway": "bogus", "amount": "15.00", "currency": "USD",
        "created_at": "2026-11-20T05:00:00-05:00",
    }  # fmt: skip

    order = from_webhook(a_body(transactions=[sale]))

    assert [(tender.id, tender.gateway, str(tender.money)) for tender in order.tenders] == [
        ("77", "bogus", "15.00 USD")
    ]


def test_money_written_as_a_number_stays_exact() -> None:
    body = json.dumps(a_body()).replace('"15.00"', "15.00").replace('"10.00"', "10.00").encode()

    order = from_webhook(parse(body))

    assert order.total == Decimal("15.00")


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b"\xff", b'{"a":NaN}', b"[" * 100_000, b'{"a":' + b"1" * 5000 + b"}"]
)
def test_what_is_no_object_is_rejected(body: bytes) -> None:
    with pytest.raises(Rejected):
        parse(body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from([*sorted(a_body()), "refunds", "customer", "transactions"]), json_values))
def test_no_body_does_anything_but_read_or_be_rejected(changes: dict[str, Any]) -> None:
    with suppress(Rejected):
        assert isinstance(from_webhook(a_body(**changes)), Order)
