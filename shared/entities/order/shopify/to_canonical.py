"""Converts a Shopify order into the canonical order. Pure.

Pitfalls: Shopify keeps counting refunded and removed units in quantities, discounts and taxes; tips are both a line and
a total; old records state taxes for the whole order only; and not every total includes everything. `balance.py` finds
the interpretation of the amounts that adds up.
"""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

from shared.canonical.address import Address
from shared.canonical.money import minor_unit
from shared.connectors.shopify.values import (
    InvalidValue,
    Node,
    amount,
    currency,
    nodes,
    numeric_id,
    required_timestamp,
    shop_amount,
    text,
    timestamp,
)
from shared.entities.order.record import Customer, Discount, Order, OrderLine, RefundSummary, ShippingLine, TaxLine
from shared.entities.order.shopify.balance import StatedTotals, balanced
from shared.entities.order.shopify.tenders import tenders
from shared.errors import Rejected


def from_shopify(node: Node) -> Order:
    """The canonical order of a complete node of `documents.READ_ORDERS` (see `pages.complete`).

    Its `difference` is zero if one interpretation of Shopify's amounts adds up, else that of the plainest one.
    Raises Rejected if the node cannot be read as an order.
    """
    try:
        order = _plain(node)
        return balanced(order, _stated_totals(node, order))
    except (ValueError, ArithmeticError, LookupError, TypeError, AttributeError) as error:
        raise Rejected(f"Shopify's order {numeric_id(node.get('id'))} cannot be read: {_fault(error)}") from error


def _fault(error: Exception) -> str:
    """A description of the error without values, which may be personal data."""
    if isinstance(error, InvalidValue):
        return str(error)
    return f"{error} is missing" if isinstance(error, KeyError) else type(error).__name__


# Longer than most functions: one field per line.
def _plain(node: Node) -> Order:
    code = currency(node["currencyCode"])
    unit = minor_unit(code)
    presentment = currency(node.get("presentmentCurrencyCode") or code)
    stated = shop_amount(node["totalPriceSet"], unit)
    shown = node["totalPriceSet"].get("presentmentMoney")
    email, phone = text(node.get("email")), text(node.get("phone"))
    billing, shipping = address(node.get("billingAddress")), address(node.get("shippingAddress"))
    return Order(
        id=numeric_id(node["id"]),
        name=text(node["name"]),
        number=text(node.get("number")),
        source_name=text(node.get("sourceName")),
        test=bool(node.get("test")),
        **_timestamps(node),
        cancel_reason=text(node.get("cancelReason")).lower(),
        financial_status=text(node.get("displayFinancialStatus")).lower(),
        fulfilment_status=text(node.get("displayFulfillmentStatus")).lower(),
        currency=code,
        presentment_currency=presentment,
        taxes_included=bool(node.get("taxesIncluded")),
        email=email,
        phone=phone,
        customer=customer(node.get("customer"), email, phone, billing or shipping),
        billing_address=billing,
        shipping_address=shipping,
        lines=_lines(node, unit),
        shipping_lines=tuple(_shipping_line(line, unit) for line in nodes(node.get("shippingLines"))),
        tip=shop_amount(node.get("totalTipReceivedSet"), unit),
        # Where duties are included, they are in the lines' prices.
        duties=Decimal(0) if node.get("dutiesIncluded") else shop_amount(node.get("originalTotalDutiesSet"), unit),
        fees=shop_amount(node.get("originalTotalAdditionalFeesSet"), unit),
        total=stated,
        presentment_total=amount(shown["amount"], minor_unit(presentment)) if shown else None,
        tenders=tenders(node.get("transactions") or [], stated),
        refunds=tuple(_refund(refund, unit) for refund in node.get("refunds") or []),
        tags=tuple(str(tag) for tag in node.get("tags") or []),
        note=str(node.get("note") or ""),
        note_attributes=_pairs(node.get("customAttributes")),
        metafields=tuple((m["namespace"], m["key"], m["value"]) for m in nodes(node.get("metafields"))),
    )


def _timestamps(node: Node) -> dict[str, Any]:
    return {
        "created_at": required_timestamp(node["createdAt"]),
        "processed_at": timestamp(node.get("processedAt")),
        "updated_at": required_timestamp(node["updatedAt"]),
        "cancelled_at": timestamp(node.get("cancelledAt")),
        "closed_at": timestamp(node.get("closedAt")),
    }


def _stated_totals(node: Node, order: Order) -> StatedTotals:
    unit = minor_unit(order.currency)
    current = node.get("currentTotalPriceSet")
    removed = {numeric_id(line.get("id")) for line in nodes(node.get("shippingLines")) if line.get("isRemoved")}
    return StatedTotals(
        unit=unit,
        current_total=shop_amount(current, unit) if current else order.total,
        discounts=shop_amount(node.get("totalDiscountsSet"), unit),
        discount_label=", ".join(node.get("discountCodes") or []) or "Discount",
        taxes=_taxes(node, unit),
        rounding=shop_amount((node.get("totalCashRoundingAdjustment") or {}).get("paymentSet"), unit),
        removed_shipping=frozenset(removed),
    )


def _lines(node: Node, unit: Decimal) -> tuple[OrderLine, ...]:
    refunded: Counter[str] = Counter()
    for refund in node.get("refunds") or []:
        for entry in nodes(refund.get("refundLineItems")):
            refunded[numeric_id(entry["lineItem"]["id"])] += int(entry["quantity"])
    return tuple(_line(line, refunded[numeric_id(line["id"])], unit) for line in node["lineItems"]["nodes"])


def _line(line: Node, refunded: int, unit: Decimal) -> OrderLine:
    quantity = int(line["quantity"])
    current = line.get("currentQuantity")
    remaining = max(0, quantity - refunded) if current is None else int(current)
    return OrderLine(
        id=numeric_id(line["id"]),
        sku=text(line.get("sku")),
        title=text(line.get("title")),
        variant_id=numeric_id((line.get("variant") or {}).get("id")),
        quantity=quantity,
        current_quantity=remaining,
        # Shopify does not state the units that an edit removed: those that are neither left nor refunded.
        removed=max(0, quantity - remaining - refunded),
        refunded=refunded,
        price=shop_amount(line["originalUnitPriceSet"], unit),
        discounts=_discounts(line, unit),
        taxes=_taxes(line, unit),
        gift_card=bool(line.get("isGiftCard")),
        requires_shipping=line.get("requiresShipping") is not False,
        properties=_pairs(line.get("customAttributes")),
    )


def _shipping_line(line: Node, unit: Decimal) -> ShippingLine:
    return ShippingLine(
        id=numeric_id(line.get("id")),
        title=text(line.get("title")),
        code=text(line.get("code")),
        price=shop_amount(line["originalPriceSet"], unit),
        discounts=_discounts(line, unit),
        taxes=_taxes(line, unit),
    )


def _discounts(line: Node, unit: Decimal) -> tuple[Discount, ...]:
    return tuple(
        Discount(
            label=_label(entry.get("discountApplication") or {}), amount=shop_amount(entry["allocatedAmountSet"], unit)
        )
        for entry in line.get("discountAllocations") or []
    )


def _label(application: Node) -> str:
    return text(application.get("code") or application.get("title")) or "Discount"


def _taxes(line: Node, unit: Decimal) -> tuple[TaxLine, ...]:
    return tuple(
        # The rate is a JSON number and no money; its shortest notation is the one that Shopify stores.
        TaxLine(title=text(tax.get("title")), rate=str(tax.get("rate") or 0), amount=shop_amount(tax["priceSet"], unit))
        for tax in line.get("taxLines") or []
    )


def _refund(refund: Node, unit: Decimal) -> RefundSummary:
    return RefundSummary(
        id=numeric_id(refund["id"]),
        amount=shop_amount(refund.get("totalRefundedSet"), unit),
        created_at=required_timestamp(refund.get("createdAt")),
    )


def _pairs(attributes: object) -> tuple[tuple[str, str], ...]:
    entries = attributes if isinstance(attributes, list) else []
    return tuple((str(entry["key"]), str(entry.get("value") or "")) for entry in entries)


def address(node: Node | None) -> Address | None:
    """A MailingAddress; None if there is none, or if all its fields are empty (withheld personal data)."""
    if not node:
        return None
    read = Address(
        first_name=text(node.get("firstName")),
        last_name=text(node.get("lastName")),
        company=text(node.get("company")),
        line_1=text(node.get("address1")),
        line_2=text(node.get("address2")),
        city=text(node.get("city")),
        province=text(node.get("provinceCode") or node.get("province")),
        postal_code=text(node.get("zip")),
        country=text(node.get("countryCodeV2") or node.get("country")),
        phone=text(node.get("phone")),
    )
    return read if read != Address() else None


def customer(node: Node | None, email: str, phone: str, billing_or_shipping: Address | None) -> Customer:
    """The customer's own data, else the order's. A guest has the name in `billing_or_shipping`."""
    if not node:
        named = billing_or_shipping or Address()
        return Customer(email=email, phone=phone, first_name=named.first_name, last_name=named.last_name)
    own_email = (node.get("defaultEmailAddress") or {}).get("emailAddress")
    own_phone = (node.get("defaultPhoneNumber") or {}).get("phoneNumber")
    return Customer(
        shopify_id=numeric_id(node.get("id")),
        email=text(own_email) or email,
        phone=text(own_phone) or phone,
        first_name=text(node.get("firstName")),
        last_name=text(node.get("lastName")),
    )
