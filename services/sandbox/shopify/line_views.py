"""GraphQL resolvers of an order's lines, discounts and shipping lines."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from services.sandbox.shopify import shipping, totals
from services.sandbox.shopify.executor import Resolver
from services.sandbox.shopify.gid import gid
from services.sandbox.shopify.money import ZERO, Json, amount, number
from services.sandbox.shopify.paging import page
from services.sandbox.shopify.records import OrderView, Part, ProductView, VariantView
from services.sandbox.shopify.shapes import attributes, tax_line

APPLICATIONS: Final = {
    "discount_code": "DiscountCodeApplication",
    "manual": "ManualDiscountApplication",
    "script": "ScriptDiscountApplication",
    "automatic": "AutomaticDiscountApplication",
}


def key(name: str, default: Any = None) -> Resolver:
    def read(part: Part, _: Json) -> Any:
        value = part.data.get(name)
        return default if value is None else value

    return read


def applications(order: OrderView) -> list[Json]:
    """The order's discount applications.

    In bodies without them, from the codes, else from the lines' discounts.
    """
    rest = order.rest
    posted = rest.get("discount_applications") or [
        {"type": "discount_code", "code": row.get("code"), "value": row.get("amount"), "value_type": row.get("type")}
        for row in rest.get("discount_codes") or []
    ]
    if not posted and any(totals.allocations(line) for line in totals.lines(rest)):
        posted = [{"type": "manual", "title": "Discount", "value": rest.get("total_discounts")}]
    return [_application(order, index, row) for index, row in enumerate(posted)]


def _application(order: OrderView, index: int, row: Json) -> Json:
    title = str(row.get("title") or row.get("description") or row.get("code") or "Discount")
    return {
        "__typename": APPLICATIONS.get(str(row.get("type")), "AutomaticDiscountApplication"),
        "index": index,
        "allocationMethod": str(row.get("allocation_method") or "across").upper(),
        "targetSelection": str(row.get("target_selection") or "all").upper(),
        "targetType": str(row.get("target_type") or "line_item").upper(),
        "value": _value(order, row),
        "code": str(row.get("code") or title),
        "title": title,
        "description": row.get("description"),
    }


def _value(order: OrderView, row: Json) -> Json:
    value = number(row.get("value")) or ZERO
    if row.get("value_type") == "percentage":
        return {"__typename": "PricingPercentageValue", "percentage": float(value)}
    return {"__typename": "MoneyV2", "amount": str(row.get("value") or "0.0"), "currencyCode": order.money.currency}


def allocations(part: Part, _: Json) -> list[Json]:
    rows = totals.allocations(part.data)
    if not rows:
        return []
    known = applications(part.order)
    return [_allocation(part.order, row, known) for row in rows]


def _allocation(order: OrderView, row: Json, known: list[Json]) -> Json:
    index = int(amount(row.get("discount_application_index")))
    found = known[index] if index < len(known) else _application(order, index, {"type": "manual"})
    return {"allocatedAmountSet": order.money.of(row, "amount"), "discountApplication": found}


def taxes(part: Part, args: Json) -> list[Json]:
    return [tax_line(part.order.money, row) for row in (part.data.get("tax_lines") or [])[: args.get("first")]]


def unit(part: Part, whole: Decimal) -> Json:
    units = totals.quantity(part.data) or 1
    return part.order.money.bag((whole / units).quantize(Decimal("0.01")) if whole % units else whole / units)


def variant(part: Part, _: Json) -> VariantView | None:
    found = part.order.shop.catalog.variants.get(part.data.get("variant_id") or 0)
    return VariantView(part.order.shop, found) if found and part.data.get("product_exists") is not False else None


def product(part: Part, _: Json) -> ProductView | None:
    found = part.order.shop.catalog.products.get(part.data.get("product_id") or 0)
    return ProductView(part.order.shop, found) if found and part.data.get("product_exists") is not False else None


def current_quantity(part: Part, _: Json) -> int:
    return totals.current_quantity(part.order.rest, part.data)


def refundable(part: Part, _: Json) -> int:
    gone = sum(
        int(amount(row.get("quantity")))
        for row in totals.refund_lines(part.order.rest)
        if row.get("line_item_id") == part.data["id"]
    )
    return max(0, totals.quantity(part.data) - gone)


def duties(part: Part, _: Json) -> list[Json]:
    return [
        {
            "id": gid("Duty", row.get("id") or part.data["id"]),
            "price": part.order.money.of(row, "price"),
            "countryCodeOfOrigin": row.get("country_code_of_origin"),
            "harmonizedSystemCode": row.get("harmonized_system_code"),
            "taxLines": [tax_line(part.order.money, tax) for tax in row.get("tax_lines") or []],
        }
        for row in part.data.get("duties") or []
        if isinstance(row, dict)
    ]


def discounted_price(part: Part, name: str) -> Json:
    found = part.order.money.posted(part.data, name)
    return found or part.order.money.bag(totals.price(part.data) - totals.discount(part.data))


LINE: Final[dict[str, Resolver]] = {
    "id": lambda p, _: gid("LineItem", p.data["id"]),
    "name": lambda p, _: str(p.data.get("name") or p.data.get("title") or ""),
    "title": lambda p, _: str(p.data.get("title") or p.data.get("name") or ""),
    "variantTitle": key("variant_title"),
    "sku": key("sku"),
    "vendor": key("vendor"),
    "quantity": lambda p, _: totals.quantity(p.data),
    "currentQuantity": current_quantity,
    "unfulfilledQuantity": lambda p, _: shipping.remaining(p.order.rest, p.data),
    "nonFulfillableQuantity": lambda p, _: 0,
    "refundableQuantity": refundable,
    "requiresShipping": key("requires_shipping", default=True),
    "taxable": key("taxable", default=True),
    "isGiftCard": lambda p, _: bool(p.data.get("gift_card")),
    "customAttributes": lambda p, _: attributes(p.data.get("properties")),
    "discountAllocations": allocations,
    "taxLines": taxes,
    "duties": duties,
    "originalUnitPriceSet": lambda p, _: p.order.money.of(p.data, "price"),
    "originalTotalSet": lambda p, _: p.order.money.bag(totals.price(p.data) * totals.quantity(p.data)),
    "discountedUnitPriceSet": lambda p, _: unit(p, totals.line_total(p.data)),
    "discountedUnitPriceAfterAllDiscountsSet": lambda p, _: unit(p, totals.line_total(p.data)),
    "discountedTotalSet": lambda p, _: p.order.money.bag(totals.line_total(p.data)),
    "totalDiscountSet": lambda p, _: p.order.money.bag(totals.discount(p.data)),
    "variant": variant,
    "product": product,
}
SHIPPING_LINE: Final[dict[str, Resolver]] = {
    "id": lambda p, _: gid("ShippingLine", p.data["id"]),
    "title": lambda p, _: str(p.data.get("title") or ""),
    "code": key("code"),
    "source": key("source"),
    "custom": lambda p, _: not p.data.get("code"),
    "carrierIdentifier": key("carrier_identifier"),
    "deliveryCategory": key("delivery_category"),
    "phone": key("phone"),
    "isRemoved": lambda p, _: bool(p.data.get("is_removed")),
    "originalPriceSet": lambda p, _: p.order.money.of(p.data, "price"),
    "discountedPriceSet": lambda p, _: discounted_price(p, "discounted_price"),
    "currentDiscountedPriceSet": lambda p, _: discounted_price(p, "current_discounted_price"),
    "discountAllocations": allocations,
    "taxLines": taxes,
}


def discount_applications(order: OrderView, args: Json) -> Any:
    return page(applications(order), args)
