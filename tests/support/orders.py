"""Orders for tests, canonical and as GraphQL nodes; all of them balance."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from shared.canonical.address import Address
from shared.canonical.money import Money
from shared.entities.order.record import Customer, Order, OrderLine, ShippingLine, TaxLine, Tender

AT = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)

Node = dict[str, Any]


def a_line(number: int = 1, **changes: Any) -> OrderLine:
    """One unit at 10.00 with 0.70 tax; SKU `SKU-<number>`."""
    values: dict[str, Any] = {
        "id": str(9000 + number),
        "sku": f"SKU-{number}",
        "title": f"Thing {number}",
        "variant_id": str(7000 + number),
        "quantity": 1,
        "price": "10.00",
        "taxes": (TaxLine(title="State tax", rate="0.07", amount="0.70"),),
    }
    values.update(changes)
    values.setdefault("current_quantity", values["quantity"])
    return OrderLine(**values)


def a_shipping_line(price: str = "5.00") -> ShippingLine:
    return ShippingLine(id="8001", title="Standard", code="standard", price=price)


def a_tender(amount: str, number: int = 1, gateway: str = "shopify_payments", currency: str = "USD") -> Tender:
    money = Money(amount=amount, currency=currency)
    kind: Any = {"gift_card": "gift_card", "cash": "cash"}.get(gateway, "card")
    return Tender(id=str(6000 + number), gateway=gateway, kind=kind, money=money, presentment=money, processed_at=AT)


def an_order(with_lines: int = 2, **changes: Any) -> Order:
    """A paid order of `with_lines` single units, shipping 5.00, in USD; its total is that of its parts if not given."""
    values: dict[str, Any] = {
        "id": "5001",
        "name": "#1001",
        "number": "1001",
        "source_name": "web",
        "created_at": AT,
        "processed_at": AT,
        "updated_at": AT,
        "financial_status": "paid",
        "fulfilment_status": "unfulfilled",
        "currency": "USD",
        "presentment_currency": "USD",
        "email": "ada@example.com",
        "customer": Customer(shopify_id="4001", email="ada@example.com", first_name="Ada", last_name="Byron"),
        "shipping_address": Address(
            first_name="Ada", last_name="Byron", line_1="1 Mill Lane", city="Louisville", province="KY",
            postal_code="40202", country="US",
        ),
        "lines": tuple(a_line(number) for number in range(1, with_lines + 1)),
        "shipping_lines": (a_shipping_line(),),
        "total": Decimal(0),
    }  # fmt: skip
    values.update(changes)
    order = Order(**values)
    if "total" not in changes:
        order = order.model_copy(update={"total": order.computed_total})
    if "tenders" not in changes and order.total > 0:
        order = order.model_copy(update={"tenders": (a_tender(str(order.total), currency=order.currency),)})
    return order


# Shopify's nodes


def bag(amount: str | Decimal, currency: str = "USD", presentment: str | Decimal | None = None, in_: str = "") -> Node:
    """A MoneyBag."""
    shown = amount if presentment is None else presentment
    return {
        "shopMoney": {"amount": str(amount), "currencyCode": currency},
        "presentmentMoney": {"amount": str(shown), "currencyCode": in_ or currency},
    }


def page(nodes: Sequence[Node], after: str | None = None) -> Node:
    """A connection; `after` is the cursor of the next page, None for no more."""
    return {"pageInfo": {"hasNextPage": after is not None, "endCursor": after}, "nodes": list(nodes)}


def tax_node(amount: str | Decimal, title: str = "State tax", rate: float = 0.07) -> Node:
    return {"title": title, "rate": rate, "priceSet": bag(amount)}


def discount_node(amount: str | Decimal, **application: str) -> Node:
    return {"allocatedAmountSet": bag(amount), "discountApplication": application or {"code": "TENOFF"}}


def line_node(number: int = 1, quantity: int = 1, price: str | Decimal = "10.00", **changes: Any) -> Node:
    node: Node = {
        "id": f"gid://shopify/LineItem/{9000 + number}",
        "sku": f"SKU-{number}",
        "title": f"Thing {number}",
        "quantity": quantity,
        "currentQuantity": quantity,
        "isGiftCard": False,
        "requiresShipping": True,
        "variant": {"id": f"gid://shopify/ProductVariant/{7000 + number}"},
        "originalUnitPriceSet": bag(price),
        "customAttributes": [],
        "discountAllocations": [],
        "taxLines": [],
    }
    return {**node, **changes}


def shipping_node(price: str | Decimal = "5.00", **changes: Any) -> Node:
    node: Node = {
        "id": "gid://shopify/ShippingLine/8001",
        "title": "Standard",
        "code": "standard",
        "isRemoved": False,
        "originalPriceSet": bag(price),
        "discountAllocations": [],
        "taxLines": [],
    }
    return {**node, **changes}


def transaction_node(amount: str | Decimal, number: int = 1, kind: str = "SALE", **changes: Any) -> Node:
    node: Node = {
        "id": f"gid://shopify/OrderTransaction/{6000 + number}",
        "kind": kind,
        "status": "SUCCESS",
        "gateway": "shopify_payments",
        "manualPaymentGateway": False,
        "createdAt": "2026-11-20T10:00:00Z",
        "processedAt": "2026-11-20T10:00:00Z",
        "amountSet": bag(amount),
    }
    return {**node, **changes}


def refund_node(number: int, amount: str | Decimal, lines: Sequence[tuple[int, int]]) -> Node:
    """`lines` are (line number, units)."""
    entries = [
        {"quantity": units, "lineItem": {"id": f"gid://shopify/LineItem/{9000 + line}"}} for line, units in lines
    ]
    return {
        "id": f"gid://shopify/Refund/{3000 + number}",
        "createdAt": "2026-11-21T10:00:00Z",
        "totalRefundedSet": bag(amount),
        "refundLineItems": page(entries),
    }


def an_order_node(order_id: str = "5001", total: str | Decimal = "15.00", **changes: Any) -> Node:
    """One unit at 10.00, shipping 5.00, no tax, unpaid: 15.00."""
    node: Node = {
        "id": f"gid://shopify/Order/{order_id}",
        "name": "#1001",
        "number": 1001,
        "sourceName": "web",
        "test": False,
        "createdAt": "2026-11-20T10:00:00Z",
        "processedAt": "2026-11-20T10:00:00Z",
        "updatedAt": "2026-11-20T10:00:00Z",
        "cancelledAt": None,
        "closedAt": None,
        "cancelReason": None,
        "displayFinancialStatus": "PENDING",
        "displayFulfillmentStatus": "UNFULFILLED",
        "currencyCode": "USD",
        "presentmentCurrencyCode": "USD",
        "taxesIncluded": False,
        "dutiesIncluded": False,
        "email": "ada@example.com",
        "phone": None,
        "note": None,
        "tags": [],
        "discountCodes": [],
        "customer": None,
        "billingAddress": None,
        "shippingAddress": None,
        "customAttributes": [],
        "totalPriceSet": bag(total),
        "currentTotalPriceSet": bag(total),
        "totalDiscountsSet": bag("0.00"),
        "totalTipReceivedSet": bag("0.00"),
        "originalTotalDutiesSet": None,
        "originalTotalAdditionalFeesSet": None,
        "totalCashRoundingAdjustment": {"paymentSet": bag("0.00")},
        "taxLines": [],
        "lineItems": page([line_node()]),
        "shippingLines": page([shipping_node()]),
        "metafields": page([]),
        "transactions": [],
        "refunds": [],
    }
    return {**node, **changes}
