"""Small Shopify orders in webhook format, which balance unless a test changes them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

Json = dict[str, Any]

_FIRST_ID = 6_100_000_000_000


def a_document(number: int, *lines: Json, **changes: Any) -> Json:
    """Order `#<number>`, paid by card, of these lines or of two units at 10.00; shipping 5.00; no tax but the lines'.

    Totals are those of the parts; `changes` are taken as they are.
    """
    order_id = _FIRST_ID + number * 100
    items = [{**line, "id": order_id + 10 + at} for at, line in enumerate(lines or (an_item("TEE", 2, "10.00"),))]
    document = {
        "id": order_id,
        "admin_graphql_api_id": f"gid://shopify/Order/{order_id}",
        "name": f"#{number}",
        "created_at": "2026-11-20T10:00:00+00:00",
        "updated_at": "2026-11-20T10:00:00+00:00",
        "processed_at": "2026-11-20T10:00:00+00:00",
        "currency": "USD",
        "taxes_included": False,
        "financial_status": "paid",
        "payment_gateway_names": ["shopify_payments"],
        "email": f"buyer.{number}@example.com",
        "customer": {
            "id": 8_100_000_000_000 + number,
            "email": f"buyer.{number}@example.com",
            "first_name": "Ida",
            "last_name": "Marsh",
        },
        "line_items": items,
        "shipping_lines": [
            {"id": order_id + 9, "title": "Standard", "code": "standard", "price": "5.00", "tax_lines": []}
        ],
        **changes,
    }
    document.setdefault("total_price", str(total_of(document)))
    return document


def an_item(sku: str | None, quantity: int, price: str, *, off: str = "0.00", tax: str = "0.00", **more: Any) -> Json:
    """One line: `off` is its share of a discount, `tax` of all its units."""
    return {
        "sku": sku,
        "title": f"Thing {sku or 'without number'}",
        "quantity": quantity,
        "price": price,
        "discount_allocations": [{"amount": off, "discount_application_index": 0}] if Decimal(off) else [],
        "tax_lines": [{"title": "State tax", "rate": 0.07, "price": tax}] if Decimal(tax) else [],
        **more,
    }


def a_sale(number: int, gateway: str, amount: str, currency: str = "USD") -> Json:
    """A successful sale transaction."""
    return {
        "id": 9_100_000_000_000 + number,
        "kind": "sale",
        "status": "success",
        "gateway": gateway,
        "amount": amount,
        "currency": currency,
    }


def total_of(document: Json) -> Decimal:
    """The total of an order's parts."""
    parts = [Decimal(line["price"]) * line["quantity"] for line in document["line_items"]]
    parts += [-Decimal(share["amount"]) for line in document["line_items"] for share in line["discount_allocations"]]
    parts += [Decimal(line["price"]) for line in document["shipping_lines"]]
    if not document["taxes_included"]:
        owners = [*document["line_items"], *document["shipping_lines"]]
        parts += [Decimal(tax["price"]) for owner in owners for tax in owner["tax_lines"]]
    return sum(parts, Decimal(0))
