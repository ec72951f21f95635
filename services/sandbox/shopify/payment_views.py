"""GraphQL resolvers of an order's transactions and refunds."""

from __future__ import annotations

from typing import Any, Final

import orjson

from services.sandbox.shopify import payments, totals
from services.sandbox.shopify.executor import Resolver
from services.sandbox.shopify.gid import gid, numeric
from services.sandbox.shopify.money import ZERO, Json, shop_amount, total
from services.sandbox.shopify.order_views import UNKNOWN_MEMBER
from services.sandbox.shopify.paging import page
from services.sandbox.shopify.records import LocationView, Part, location_view
from services.sandbox.shopify.timestamps import graphql_time


def amount(part: Part, _: Json) -> Json:
    return part.order.money.of(part.data, "amount")


def parent(part: Part, _: Json) -> Part | None:
    wanted = part.data.get("parent_id")
    found = next((row for row in part.order.payments if row["id"] == wanted), None) if wanted else None
    return Part("OrderTransaction", part.order, found) if found else None


def kind(part: Part, _: Json) -> str:
    return UNKNOWN_MEMBER if part.order.shop.options.unknown_enums else str(part.data["kind"]).upper()


def details(part: Part, _: Json) -> Json | None:
    card = part.data.get("payment_details")
    if not isinstance(card, dict):
        return None
    return {
        "__typename": "CardPaymentDetails",
        "avsResultCode": card.get("avs_result_code"),
        "bin": card.get("credit_card_bin"),
        "company": card.get("credit_card_company"),
        "cvvResultCode": card.get("cvv_result_code"),
        "expirationMonth": card.get("credit_card_expiration_month"),
        "expirationYear": card.get("credit_card_expiration_year"),
        "name": card.get("credit_card_name"),
        "number": card.get("credit_card_number"),
        "paymentMethodName": card.get("payment_method_name"),
    }


def receipt(part: Part, _: Json) -> str | None:
    found = part.data.get("receipt")
    return None if found is None else orjson.dumps(found).decode()


def location(part: Part, _: Json) -> LocationView | None:
    number = numeric(part.data.get("location_id"))
    return location_view(part.order.shop, number) if number else None


def _is_manual(part: Part, _: Json) -> bool:
    stated = part.data.get("manual_payment_gateway")
    return part.data.get("gateway") in ("manual", "cash") if stated is None else bool(stated)


TRANSACTION: Final[dict[str, Resolver]] = {
    "id": lambda p, _: gid("OrderTransaction", p.data["id"]),
    "kind": kind,
    "status": lambda p, _: str(p.data["status"]).upper(),
    "gateway": lambda p, _: p.data.get("gateway"),
    "formattedGateway": lambda p, _: str(p.data.get("gateway") or "").replace("_", " ").title(),
    "manualPaymentGateway": _is_manual,
    "test": lambda p, _: bool(p.data.get("test")),
    "createdAt": lambda p, _: graphql_time(p.data.get("created_at")),
    "processedAt": lambda p, _: graphql_time(p.data.get("processed_at")),
    "amountSet": amount,
    "amountRoundingSet": lambda p, _: p.order.money.posted(p.data, "amount_rounding"),
    "totalUnsettledSet": lambda p, _: p.order.money.posted(p.data, "total_unsettled"),
    "errorCode": lambda p, _: str(p.data["error_code"]).upper() if p.data.get("error_code") else None,
    "paymentId": lambda p, _: p.data.get("payment_id"),
    "receiptJson": receipt,
    "accountNumber": lambda p, _: (p.data.get("payment_details") or {}).get("credit_card_number"),
    "paymentDetails": details,
    "parentTransaction": parent,
    "order": lambda p, _: p.order,
    "location": location,
}


def refunded(part: Part, _: Json) -> Json:
    rows = [row for row in part.data.get("transactions") or [] if payments.is_success(row)]
    return part.order.money.bag(total(payments.value(row) for row in rows))


def refund_lines(part: Part, args: Json) -> Any:
    rows = part.data.get("refund_line_items") or []
    return page(rows, args, lambda row: Part("RefundLineItem", part.order, row))


def adjustments(part: Part, args: Json) -> Any:
    rows = part.data.get("order_adjustments") or []
    return page(rows, args, lambda row: Part("OrderAdjustment", part.order, row))


def shipping_refunds(part: Part, args: Json) -> Any:
    rows = part.data.get("refund_shipping_lines") or []
    return page(rows, args, lambda row: Part("RefundShippingLine", part.order, row))


def refund_transactions(part: Part, args: Json) -> Any:
    wanted = {row.get("id") for row in part.data.get("transactions") or []}
    rows = [row for row in part.order.payments if row["id"] in wanted]
    return page(rows, args, lambda row: Part("OrderTransaction", part.order, row))


def refunded_line(part: Part, _: Json) -> Part:
    wanted = part.data.get("line_item_id")
    found = next((row for row in totals.lines(part.order.rest) if row["id"] == wanted), None)
    embedded = {"id": wanted, "quantity": part.data.get("quantity"), **(part.data.get("line_item") or {})}
    return Part("LineItem", part.order, found or embedded)


def _line_price(part: Part, _: Json) -> Json:
    return part.order.money.bag(totals.price(refunded_line(part, {}).data))


REFUND: Final[dict[str, Resolver]] = {
    "id": lambda p, _: gid("Refund", p.data["id"]),
    "legacyResourceId": lambda p, _: str(p.data["id"]),
    "createdAt": lambda p, _: graphql_time(p.data.get("created_at")),
    "processedAt": lambda p, _: graphql_time(
        p.data.get("processed_at") or p.data.get("created_at") or p.order.rest["updated_at"]
    ),
    "updatedAt": lambda p, _: graphql_time(p.data.get("created_at") or p.order.rest["updated_at"]),
    "note": lambda p, _: p.data.get("note"),
    "order": lambda p, _: p.order,
    "totalRefundedSet": refunded,
    "refundLineItems": refund_lines,
    "refundShippingLines": shipping_refunds,
    "orderAdjustments": adjustments,
    "transactions": refund_transactions,
}
REFUND_LINE: Final[dict[str, Resolver]] = {
    "id": lambda p, _: gid("RefundLineItem", p.data["id"]),
    "lineItem": refunded_line,
    "quantity": lambda p, _: int(p.data.get("quantity") or 0),
    "priceSet": _line_price,
    "subtotalSet": lambda p, _: p.order.money.of(p.data, "subtotal"),
    "totalTaxSet": lambda p, _: p.order.money.of(p.data, "total_tax"),
    "restockType": lambda p, _: str(p.data.get("restock_type") or "no_restock").upper(),
    "restocked": lambda p, _: (p.data.get("restock_type") or "no_restock") != "no_restock",
    "location": location,
}
ADJUSTMENT: Final[dict[str, Resolver]] = {
    "id": lambda p, _: gid("OrderAdjustment", p.data.get("id") or 0),
    "amountSet": lambda p, _: p.order.money.of(p.data, "amount"),
    "taxAmountSet": lambda p, _: p.order.money.of(p.data, "tax_amount"),
    "reason": lambda p, _: None,
}


def _shipping_line(part: Part, _: Json) -> Part:
    row = part.data.get("shipping_line") or {"id": part.data.get("id"), "title": ""}
    return Part("ShippingLine", part.order, row)


REFUND_SHIPPING: Final[dict[str, Resolver]] = {
    "id": lambda p, _: gid("RefundShippingLine", p.data.get("id") or 0),
    "shippingLine": _shipping_line,
    "subtotalAmountSet": lambda p, _: p.order.money.of(p.data, "subtotal_amount"),
    "taxAmountSet": lambda p, _: p.order.money.bag(
        total(shop_amount(tax, "price") or ZERO for tax in p.data.get("tax_lines") or [])
    ),
}
