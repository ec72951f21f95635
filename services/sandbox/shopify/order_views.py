"""GraphQL resolvers of orders, from the stored body."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from services.sandbox.shopify import payments, shipping, totals
from services.sandbox.shopify.executor import Resolver
from services.sandbox.shopify.gid import gid, numeric
from services.sandbox.shopify.graphql_errors import ApiError
from services.sandbox.shopify.money import ZERO, Json, shop_amount, total
from services.sandbox.shopify.paging import page
from services.sandbox.shopify.records import CustomerView, LocationView, OrderView, Part, location_view, parts
from services.sandbox.shopify.shapes import address, attributes, tax_line, tax_shape, words
from services.sandbox.shopify.timestamps import graphql_time

UNKNOWN_MEMBER: Final = "SOMETHING_NEW"
FULFILMENT: Final = {None: "UNFULFILLED", "": "UNFULFILLED", "partial": "PARTIALLY_FULFILLED", "pending": "OPEN"}


def key(name: str, default: Any = None) -> Resolver:
    """A field with the body's value of `name`, or the default for null."""

    def read(order: OrderView, _: Json) -> Any:
        value = order.rest.get(name)
        return default if value is None else value

    return read


def time(name: str, otherwise: str = "") -> Resolver:
    def read(order: OrderView, _: Json) -> str | None:
        return graphql_time(order.rest.get(name) or (order.rest.get(otherwise) if otherwise else None))

    return read


def text(name: str) -> Resolver:
    """Like `key`, with null for an empty text."""
    return lambda order, _: None if order.rest.get(name) is None else str(order.rest[name])


def posted_money(name: str) -> Resolver:
    """Money that is null if it does not apply."""
    return lambda order, _: order.money.posted(order.rest, name)


def _address(name: str) -> Resolver:
    return lambda order, _: address(order.rest["id"], order.rest.get(name), "Address")


def financial_status(order: OrderView, _: Json) -> str | None:
    found = str(order.rest.get("financial_status") or "").upper()
    return UNKNOWN_MEMBER if found and order.shop.options.unknown_enums else found or None


def fulfilment_status(order: OrderView, _: Json) -> str:
    if any(fo["status"] == "ON_HOLD" for fo in order.doc["fos"]):
        return "ON_HOLD"
    posted = order.rest.get("fulfillment_status")
    return FULFILMENT.get(posted) or str(posted).upper()


def tax_lines(order: OrderView, _: Json) -> list[Json]:
    """The order's own tax lines, else those of lines and shipping summed by title and rate."""
    if order.rest.get("tax_lines") is not None:
        return [tax_line(order.money, line) for line in order.rest["tax_lines"]]
    sums: dict[tuple[str, object], Decimal] = {}
    for line in (*totals.lines(order.rest), *totals.shipping_lines(order.rest)):
        for tax in line.get("tax_lines") or []:
            place = (str(tax.get("title")), tax.get("rate"))
            sums[place] = sums.get(place, ZERO) + (shop_amount(tax, "price") or ZERO)
    return [tax_shape(title, rate, order.money.bag(amount), None) for (title, rate), amount in sums.items()]


def current_shipping(order: OrderView) -> Decimal:
    return total(
        totals.price(line) - totals.discount(line)
        for line in totals.shipping_lines(order.rest)
        if not line.get("is_removed")
    )


def discount_codes(order: OrderView, _: Json) -> list[str]:
    return [str(row.get("code")) for row in order.rest.get("discount_codes") or []]


def rounding(order: OrderView, _: Json) -> Json:
    return {
        "paymentSet": order.money.of(order.rest, "total_cash_rounding_payment_adjustment"),
        "refundSet": order.money.of(order.rest, "total_cash_rounding_refund_adjustment"),
    }


def line_items(order: OrderView, args: Json) -> Any:
    return page(totals.lines(order.rest), args, lambda row: Part("LineItem", order, row))


def shipping_lines(order: OrderView, args: Json) -> Any:
    rows = [
        row for row in totals.shipping_lines(order.rest) if args.get("includeRemovals") or not row.get("is_removed")
    ]
    return page(rows, args, lambda row: Part("ShippingLine", order, row))


def first_shipping_line(order: OrderView, _: Json) -> Part | None:
    rows = totals.shipping_lines(order.rest)
    return Part("ShippingLine", order, rows[0]) if rows else None


def transactions(order: OrderView, args: Json) -> list[Part]:
    rows = order.payments[: args.get("first")]
    if args.get("capturable"):
        rows = [
            row for row in rows if row["kind"] == "authorization" and order.rest.get("financial_status") != "voided"
        ]
    return parts("OrderTransaction", order, rows)


def customer(order: OrderView, _: Json) -> CustomerView | None:
    data = order.rest.get("customer")
    if not data:
        return None
    if order.shop.options.deny_customers:
        raise ApiError("This app is not approved to access the Customer object.", "ACCESS_DENIED")
    if order.shop.options.hide_personal_data:
        return CustomerView(order.shop, data)
    return CustomerView(order.shop, order.shop.customers.get(int(data["id"])) or data)


def _is_fulfillable(order: OrderView, _: Json) -> bool:
    return any(row["remaining"] for fo in order.doc["fos"] for row in fo["lines"])


def can_mark_as_paid(order: OrderView, _: Json) -> bool:
    return order.outstanding > 0 and not order.rest.get("cancelled_at") and payments.status(order.rest) != "voided"


def _retail_location(order: OrderView, _: Json) -> LocationView | None:
    number = numeric(order.rest.get("location_id")) if order.rest.get("source_name") == "pos" else None
    return location_view(order.shop, number) if number else None


def _app(order: OrderView, _: Json) -> Json | None:
    number = order.rest.get("app_id")
    return {"id": gid("App", number), "name": str(order.rest.get("source_name") or "App")} if number else None


def _fees(order: OrderView, _: Json) -> list[Json]:
    fees = order.money.posted(order.rest, "original_total_additional_fees")
    if fees is None:
        return []
    return [{"id": gid("AdditionalFee", order.rest["id"]), "name": "Fee", "price": fees, "taxLines": []}]


ORDER: Final[dict[str, Resolver]] = {
    "id": lambda o, _: gid("Order", o.rest["id"]),
    "legacyResourceId": lambda o, _: str(o.rest["id"]),
    "name": key("name"),
    "number": lambda o, _: int(o.rest["order_number"]),
    "confirmationNumber": key("confirmation_number"),
    "confirmed": key("confirmed", default=True),
    "sourceName": text("source_name"),
    "sourceIdentifier": text("source_identifier"),
    "test": lambda o, _: bool(o.rest.get("test")),
    "createdAt": time("created_at"),
    "processedAt": time("processed_at", "created_at"),
    "updatedAt": time("updated_at"),
    "cancelledAt": time("cancelled_at"),
    "cancelReason": lambda o, _: str(o.rest["cancel_reason"]).upper() if o.rest.get("cancel_reason") else None,
    "cancellation": lambda o, _: {"staffNote": o.rest.get("staff_note")} if o.rest.get("cancelled_at") else None,
    "closed": lambda o, _: bool(o.rest.get("closed_at")),
    "closedAt": time("closed_at"),
    "displayFinancialStatus": financial_status,
    "displayFulfillmentStatus": fulfilment_status,
    "returnStatus": lambda o, _: "NO_RETURN",
    "taxesIncluded": lambda o, _: bool(o.rest.get("taxes_included")),
    "taxExempt": lambda o, _: bool(o.rest.get("tax_exempt")),
    "dutiesIncluded": lambda o, _: bool(o.rest.get("duties_included")),
    "estimatedTaxes": lambda o, _: bool(o.rest.get("estimated_taxes")),
    "edited": lambda o, _: bool(o.doc.get("edited")),
    "currencyCode": key("currency"),
    "presentmentCurrencyCode": lambda o, _: o.money.presentment,
    "totalPriceSet": lambda o, _: o.money.of(o.rest, "total_price", lambda: totals.total_price(o.rest)),
    "currentTotalPriceSet": lambda o, _: o.money.of(
        o.rest, "current_total_price", lambda: totals.current_total(o.rest)
    ),
    "originalTotalPriceSet": lambda o, _: o.money.of(o.rest, "total_price", lambda: totals.total_price(o.rest)),
    "subtotalPriceSet": lambda o, _: o.money.of(o.rest, "subtotal_price", lambda: totals.subtotal(o.rest)),
    "currentSubtotalPriceSet": lambda o, _: o.money.of(
        o.rest, "current_subtotal_price", lambda: totals.subtotal(o.rest)
    ),
    "totalTaxSet": lambda o, _: o.money.of(o.rest, "total_tax", lambda: totals.tax(o.rest)),
    "currentTotalTaxSet": lambda o, _: o.money.of(o.rest, "current_total_tax", lambda: totals.tax(o.rest)),
    "totalDiscountsSet": lambda o, _: o.money.of(o.rest, "total_discounts", lambda: totals.discounts(o.rest)),
    "currentTotalDiscountsSet": lambda o, _: o.money.of(
        o.rest, "current_total_discounts", lambda: totals.discounts(o.rest)
    ),
    "totalShippingPriceSet": lambda o, _: o.money.of(o.rest, "total_shipping_price", lambda: totals.shipping(o.rest)),
    "currentShippingPriceSet": lambda o, _: o.money.of(o.rest, "current_shipping_price", lambda: current_shipping(o)),
    "totalTipReceivedSet": lambda o, _: o.money.of(o.rest, "total_tip_received"),
    "originalTotalDutiesSet": posted_money("original_total_duties"),
    "currentTotalDutiesSet": posted_money("current_total_duties"),
    "originalTotalAdditionalFeesSet": posted_money("original_total_additional_fees"),
    "currentTotalAdditionalFeesSet": posted_money("current_total_additional_fees"),
    "totalCashRoundingAdjustment": rounding,
    "totalRefundedSet": lambda o, _: o.money.bag(payments.refunded(o.payments)),
    "totalRefundedShippingSet": lambda o, _: o.money.bag(ZERO),
    "totalReceivedSet": lambda o, _: o.money.bag(payments.received(o.payments)),
    "totalOutstandingSet": lambda o, _: o.money.of(o.rest, "total_outstanding", lambda: o.outstanding),
    "totalCapturableSet": lambda o, _: o.money.bag(
        totals.total_price(o.rest) if payments.status(o.rest) == "authorized" else ZERO
    ),
    "netPaymentSet": lambda o, _: o.money.bag(o.net),
    "taxLines": tax_lines,
    "currentTaxLines": tax_lines,
    "additionalFees": _fees,
    "email": lambda o, _: o.rest.get("email") or o.rest.get("contact_email"),
    "phone": key("phone"),
    "note": key("note"),
    "poNumber": text("po_number"),
    "tags": lambda o, _: words(o.rest.get("tags")),
    "customAttributes": lambda o, _: attributes(o.rest.get("note_attributes")),
    "customer": customer,
    "customerLocale": key("customer_locale"),
    "billingAddress": _address("billing_address"),
    "shippingAddress": _address("shipping_address"),
    "displayAddress": _address("shipping_address"),
    "billingAddressMatchesShippingAddress": lambda o, _: (
        o.rest.get("billing_address") == o.rest.get("shipping_address") is not None
    ),
    "lineItems": line_items,
    "shippingLine": first_shipping_line,
    "shippingLines": shipping_lines,
    "discountCode": lambda o, _: next(iter(discount_codes(o, {})), None),
    "discountCodes": discount_codes,
    "transactions": transactions,
    "refunds": lambda o, a: parts("Refund", o, totals.refunds(o.rest)[: a.get("first")]),
    "fulfillments": lambda o, a: parts("Fulfillment", o, shipping.fulfilments(o.rest)[: a.get("first")]),
    "fulfillmentOrders": lambda o, a: page(o.doc["fos"], a, lambda row: Part("FulfillmentOrder", o, row)),
    "paymentGatewayNames": lambda o, _: [str(name) for name in o.rest.get("payment_gateway_names") or []],
    "fullyPaid": lambda o, _: o.outstanding <= 0,
    "unpaid": lambda o, _: o.net <= 0 < o.outstanding,
    "canMarkAsPaid": can_mark_as_paid,
    "capturable": lambda o, _: payments.status(o.rest) == "authorized",
    "refundable": lambda o, _: o.net > 0,
    "fulfillable": _is_fulfillable,
    "requiresShipping": lambda o, _: any(row.get("requires_shipping") is not False for row in totals.lines(o.rest)),
    "subtotalLineItemsQuantity": lambda o, _: sum(map(totals.quantity, totals.lines(o.rest))),
    "currentSubtotalLineItemsQuantity": lambda o, _: sum(
        totals.current_quantity(o.rest, row) for row in totals.lines(o.rest)
    ),
    "retailLocation": _retail_location,
    "app": _app,
    "statusPageUrl": lambda o, _: str(
        o.rest.get("order_status_url") or f"https://{o.shop.options.shop_domain}/orders/{o.rest['id']}"
    ),
}
