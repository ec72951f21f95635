"""Reads the order in a webhook's body, for shops with the setting `read_back` off. Pure.

A body is the order in REST form: snake_case, numeric ids, and no payments. Heartland needs the payments with their
transaction ids, so a body is used only if no payment can be missing from it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from shared.entities.order.record import Order
from shared.entities.order.shopify.to_canonical import from_shopify
from shared.errors import Rejected

Body = Mapping[str, Any]


def parse(body: bytes) -> Body:
    """The body as JSON, with exact decimals. Raises Rejected if it is no JSON object."""
    try:
        read = json.loads(body, parse_float=Decimal, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise Rejected("the notice's body is not JSON") from error
    if not isinstance(read, dict):
        raise Rejected("the notice's body is not a JSON object")
    return read


def is_complete(body: Body) -> bool:
    """Whether the body is an order with all payments: it has transactions, or nothing is paid yet.

    Amount and gateway are not enough: a payment is booked with its transaction id, which a body does not contain.
    """
    if not all(body.get(field) for field in ("id", "name", "line_items", "currency", "updated_at", "total_price")):
        return False
    if isinstance(body.get("transactions"), list):
        return True
    is_unpaid = str(body.get("total_outstanding", "")) == str(body.get("total_price"))
    return body.get("financial_status") == "pending" and is_unpaid and not body.get("refunds")


def from_webhook(body: Body) -> Order:
    """The order in the body of an orders/* notice. Raises Rejected if the body cannot be read."""
    try:
        node = _node(body)
    except (ValueError, ArithmeticError, LookupError, TypeError, AttributeError) as error:
        raise Rejected(f"the order in the notice's body cannot be read: {type(error).__name__}") from error
    return from_shopify(node)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _node(body: Body) -> dict[str, Any]:
    currency = body["currency"]
    applications = body.get("discount_applications") or []
    lines = [_line(line, currency, applications) for line in body["line_items"]]
    shipping = [_shipping(line, currency, applications) for line in body.get("shipping_lines") or []]
    return {
        "id": body["id"],
        "name": body["name"],
        "number": body.get("order_number"),
        "sourceName": body.get("source_name"),
        "test": body.get("test"),
        "createdAt": body["created_at"],
        "processedAt": body.get("processed_at"),
        "updatedAt": body["updated_at"],
        "cancelledAt": body.get("cancelled_at"),
        "closedAt": body.get("closed_at"),
        "cancelReason": body.get("cancel_reason"),
        "displayFinancialStatus": body.get("financial_status"),
        "displayFulfillmentStatus": body.get("fulfillment_status") or "unfulfilled",
        "currencyCode": currency,
        "presentmentCurrencyCode": body.get("presentment_currency") or currency,
        "taxesIncluded": body.get("taxes_included"),
        "dutiesIncluded": body.get("duties_included"),
        "email": body.get("email"),
        "phone": body.get("phone"),
        "note": body.get("note"),
        "tags": [tag for part in (body.get("tags") or "").split(",") if (tag := part.strip())],
        "discountCodes": [code.get("code") for code in body.get("discount_codes") or []],
        "customer": _customer(body.get("customer")),
        "billingAddress": _address(body.get("billing_address")),
        "shippingAddress": _address(body.get("shipping_address")),
        "customAttributes": _pairs(body.get("note_attributes")),
        **_totals(body, currency),
        "taxLines": _taxes(body, currency),
        "lineItems": {"nodes": lines},
        "shippingLines": {"nodes": shipping},
        "transactions": [_transaction(entry, currency) for entry in body.get("transactions") or []],
        "refunds": [_refund(refund, currency) for refund in body.get("refunds") or []],
    }


def _totals(body: Body, currency: str) -> dict[str, Any]:
    return {
        "totalPriceSet": _bag(body, "total_price", currency),
        "currentTotalPriceSet": _bag(body, "current_total_price", currency),
        "totalDiscountsSet": _bag(body, "total_discounts", currency),
        "totalTipReceivedSet": _bag(body, "total_tip_received", currency),
        "originalTotalDutiesSet": _bag(body, "original_total_duties", currency),
        "originalTotalAdditionalFeesSet": _bag(body, "original_total_additional_fees", currency),
        "totalCashRoundingAdjustment": {"paymentSet": _bag(body, "total_cash_rounding_payment_adjustment", currency)},
    }


def _bag(record: Body, field: str, currency: str) -> dict[str, Any] | None:
    """The money in `<field>_set`, or in the plain field of old records; None for neither."""
    money = record.get(f"{field}_set")
    if money:
        return {side: _money(money[name]) for side, name in _SIDES if money.get(name)}
    if record.get(field) is None:
        return None
    plain = {"amount": record[field], "currencyCode": currency}
    return {"shopMoney": plain, "presentmentMoney": plain}


_SIDES = (("shopMoney", "shop_money"), ("presentmentMoney", "presentment_money"))


def _money(money: Body) -> dict[str, Any]:
    return {"amount": money["amount"], "currencyCode": money.get("currency_code") or money.get("currency")}


def _line(line: Body, currency: str, applications: list[Body]) -> dict[str, Any]:
    return {
        "id": line["id"],
        "sku": line.get("sku"),
        "title": line.get("title"),
        "quantity": line["quantity"],
        "currentQuantity": line.get("current_quantity"),
        "isGiftCard": line.get("gift_card"),
        "requiresShipping": line.get("requires_shipping"),
        "variant": {"id": line.get("variant_id")} if line.get("variant_id") else None,
        "originalUnitPriceSet": _bag(line, "price", currency),
        "customAttributes": _pairs(line.get("properties")),
        "discountAllocations": _allocations(line, currency, applications),
        "taxLines": _taxes(line, currency),
    }


def _shipping(line: Body, currency: str, applications: list[Body]) -> dict[str, Any]:
    return {
        "id": line.get("id"),
        "title": line.get("title"),
        "code": line.get("code"),
        "isRemoved": line.get("is_removed"),
        "originalPriceSet": _bag(line, "price", currency),
        "discountAllocations": _allocations(line, currency, applications),
        "taxLines": _taxes(line, currency),
    }


def _allocations(line: Body, currency: str, applications: list[Body]) -> list[dict[str, Any]]:
    shares = line.get("discount_allocations")
    if shares is None and line.get("total_discount") is not None:  # records from before allocations
        return [{"allocatedAmountSet": _bag(line, "total_discount", currency), "discountApplication": {}}]
    return [
        {
            "allocatedAmountSet": _bag(share, "amount", currency),
            "discountApplication": _application(share.get("discount_application_index"), applications),
        }
        for share in shares or []
    ]


def _application(index: object, applications: list[Body]) -> dict[str, Any]:
    if not isinstance(index, int) or not 0 <= index < len(applications):
        return {}
    found = applications[index]
    return {"code": found.get("code"), "title": found.get("title") or found.get("description")}


def _taxes(record: Body, currency: str) -> list[dict[str, Any]]:
    return [
        {"title": tax.get("title"), "rate": tax.get("rate"), "priceSet": _bag(tax, "price", currency)}
        for tax in record.get("tax_lines") or []
    ]


def _transaction(entry: Body, currency: str) -> dict[str, Any]:
    return {
        "id": entry["id"],
        "kind": entry.get("kind"),
        "status": entry.get("status"),
        "gateway": entry.get("gateway"),
        "manualPaymentGateway": entry.get("manual_payment_gateway"),
        "createdAt": entry.get("created_at"),
        "processedAt": entry.get("processed_at"),
        "amountSet": _bag(entry, "amount", entry.get("currency") or currency),
    }


def _refund(refund: Body, currency: str) -> dict[str, Any]:
    paid = [t for t in refund.get("transactions") or [] if t.get("status") == "success" and t.get("kind") == "refund"]
    amount = sum((Decimal(str(t["amount"])) for t in paid), Decimal(0))
    return {
        "id": refund["id"],
        "createdAt": refund.get("created_at"),
        "totalRefundedSet": {"shopMoney": {"amount": amount, "currencyCode": currency}},
        "refundLineItems": {
            "nodes": [
                {"quantity": entry["quantity"], "lineItem": {"id": entry["line_item_id"]}}
                for entry in refund.get("refund_line_items") or []
            ]
        },
    }


def _customer(customer: Body | None) -> dict[str, Any] | None:
    if not customer or not customer.get("id"):
        return None
    return {
        "id": customer["id"],
        "firstName": customer.get("first_name"),
        "lastName": customer.get("last_name"),
        "defaultEmailAddress": {"emailAddress": customer.get("email")},
        "defaultPhoneNumber": {"phoneNumber": customer.get("phone")},
    }


def _address(address: Body | None) -> dict[str, Any] | None:
    if not address:
        return None
    return {
        "firstName": address.get("first_name"),
        "lastName": address.get("last_name"),
        "company": address.get("company"),
        "address1": address.get("address1"),
        "address2": address.get("address2"),
        "city": address.get("city"),
        "province": address.get("province"),
        "provinceCode": address.get("province_code"),
        "zip": address.get("zip"),
        "country": address.get("country"),
        "countryCodeV2": address.get("country_code"),
        "phone": address.get("phone"),
    }


def _pairs(entries: object) -> list[dict[str, str]]:
    listed = entries if isinstance(entries, list) else []
    return [{"key": str(entry.get("name") or ""), "value": _flat(entry.get("value"))} for entry in listed]


def _flat(value: object) -> str:
    """A property's value as text. Apps put whole objects into properties: those become JSON text."""
    return json.dumps(value, default=str) if isinstance(value, (dict, list)) else str("" if value is None else value)
