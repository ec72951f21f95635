"""Generated orders balance, and each is different."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from services.sandbox.demo.orders import encode, order, orders

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
MANY = [order(5, number, AT) for number in range(1001, 1301)]


def amounts(entries: list[dict[str, Any]], name: str) -> Decimal:
    return sum((Decimal(entry[name]) for entry in entries), Decimal(0))


@pytest.mark.parametrize("document", MANY[:60], ids=lambda document: document["name"])
def test_it_balances_to_the_cent(document: dict[str, Any]) -> None:
    lines, shipping = document["line_items"], document["shipping_lines"]
    discount = sum((amounts(line["discount_allocations"], "amount") for line in lines), Decimal(0))
    net = sum((Decimal(line["price"]) * line["quantity"] for line in lines), Decimal(0)) - discount
    tax = sum((amounts(part["tax_lines"], "price") for part in (*lines, *shipping)), Decimal(0))
    on_top = Decimal(0) if document["taxes_included"] else tax

    assert net + amounts(shipping, "price") + on_top == Decimal(document["total_price"])
    assert amounts(document["tax_lines"], "price") == tax == Decimal(document["total_tax"])
    assert discount == Decimal(document["total_discounts"])
    assert amounts(document["transactions"], "amount") == Decimal(document["total_price"])


def test_the_same_arguments_give_the_same_order() -> None:
    assert order(5, 1001, AT) == MANY[0]
    assert next(orders(5, now=lambda: AT)) == MANY[0]


def test_ids_and_names_are_unique() -> None:
    others = [order(6, number, AT) for number in range(1001, 1101)]
    ids = [entry["id"] for document in (*MANY, *others) for entry in every_entry(document)]

    assert len(ids) == len(set(ids))
    assert len({document["name"] for document in MANY}) == len(MANY)


def every_entry(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [document, *document["line_items"], *document["shipping_lines"], *document["transactions"]]


def test_generated_orders_cover_every_variant() -> None:
    assert {len(document["line_items"]) for document in MANY} == {1, 2, 3, 4}
    assert {document["currency"] for document in MANY} == {"USD", "EUR"}
    assert any(document["taxes_included"] for document in MANY)
    assert any(document["customer"] is None for document in MANY)
    assert any(len(document["transactions"]) == 2 for document in MANY)
    assert any(uneven(document) for document in MANY)


def uneven(document: dict[str, Any]) -> bool:
    """A line whose discount does not divide by its quantity."""
    return any(
        amounts(line["discount_allocations"], "amount") * 100 % line["quantity"] for line in document["line_items"]
    )


def test_a_body_is_about_6_kb_and_written_as_shopify_writes() -> None:
    bodies = [encode(document) for document in MANY]

    assert 5_000 < sum(map(len, bodies)) / len(bodies) < 7_000
    assert b"gid:\\/\\/shopify\\/Order" in bodies[0]
    assert b"\\u0026utm_medium" in bodies[0]
    assert any("ë".encode() in body for body in bodies)
