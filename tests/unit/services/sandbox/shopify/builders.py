"""Orders as somebody posts them."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def a_line(number: int = 1, **fields: Any) -> Json:
    line = {"id": 9000 + number, "sku": f"SKU-{number}", "title": f"Thing {number}", "quantity": 2, "price": "10.00"}
    return {**line, "variant_id": 7000 + number, "product_id": 8000 + number, **fields}


def an_order(**fields: Any) -> Json:
    """Two units at 10.00 with 1.60 tax and 5.00 shipping, paid: 26.60."""
    order = {
        "id": 5001,
        "name": "#1001",
        "order_number": 1001,
        "created_at": "2026-11-20T04:00:00-05:00",
        "updated_at": "2026-11-20T04:00:00-05:00",
        "currency": "USD",
        "financial_status": "paid",
        "payment_gateway_names": ["shopify_payments"],
        "total_price": "26.60",
        "subtotal_price": "20.00",
        "total_tax": "1.60",
        "total_outstanding": "0.00",
        "line_items": [a_line(tax_lines=[{"title": "Tax", "rate": 0.08, "price": "1.60"}])],
        "shipping_lines": [{"id": 6001, "title": "Ground", "code": "ground", "price": "5.00"}],
        "shipping_address": {"first_name": "Ada", "city": "Louisville", "country_code": "US"},
        "customer": {"id": 4001, "email": "ada@example.com", "first_name": "Ada", "last_name": "Example"},
    }
    return {**order, **fields}
