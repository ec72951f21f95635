"""Computes an order's amounts that were not posted; a posted amount is never recomputed."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from services.sandbox.shopify.money import ONE, ZERO, Json, amount, number, shop_amount, total


def lines(rest: Json) -> list[Json]:
    return rest.get("line_items") or []


def quantity(line: Json) -> int:
    return int(amount(line.get("quantity", 1)))


def refunds(rest: Json) -> list[Json]:
    return rest.get("refunds") or []


def refund_lines(rest: Json) -> Iterator[Json]:
    for refund in refunds(rest):
        yield from refund.get("refund_line_items") or []


def current_quantity(rest: Json, line: Json) -> int:
    """Units of a line after edits and refunds."""
    posted = number(line.get("current_quantity"))
    if posted is not None:
        return int(posted)
    gone = sum(int(amount(row.get("quantity"))) for row in refund_lines(rest) if row.get("line_item_id") == line["id"])
    return max(0, quantity(line) - gone)


def allocations(line: Json) -> list[Json]:
    """A line's discount allocations; old bodies have only its `total_discount`."""
    posted = line.get("discount_allocations") or []
    whole = amount(line.get("total_discount"))
    if posted or whole <= 0:
        return list(posted)
    return [{"amount": line["total_discount"], "discount_application_index": 0}]


def discount(line: Json) -> Decimal:
    return total(shop_amount(share, "amount") or ZERO for share in allocations(line))


def price(line: Json) -> Decimal:
    return shop_amount(line, "price") or ZERO


def line_total(line: Json) -> Decimal:
    return price(line) * quantity(line) - discount(line)


def line_tax(line: Json) -> Decimal:
    return total(shop_amount(tax, "price") or ZERO for tax in line.get("tax_lines") or [])


def shipping_lines(rest: Json) -> list[Json]:
    return rest.get("shipping_lines") or []


def subtotal(rest: Json) -> Decimal:
    posted = shop_amount(rest, "subtotal_price")
    return total(map(line_total, lines(rest))) if posted is None else posted


def shipping(rest: Json) -> Decimal:
    posted = shop_amount(rest, "total_shipping_price")
    return total(price(line) for line in shipping_lines(rest)) if posted is None else posted


def tax(rest: Json) -> Decimal:
    """The posted tax, else the sum of the order's tax lines, else of those of lines and shipping."""
    posted = shop_amount(rest, "total_tax")
    if posted is not None:
        return posted
    if rest.get("tax_lines"):
        return line_tax(rest)
    return total(map(line_tax, lines(rest))) + total(map(line_tax, shipping_lines(rest)))


def discounts(rest: Json) -> Decimal:
    posted = shop_amount(rest, "total_discounts")
    return total(map(discount, [*lines(rest), *shipping_lines(rest)])) if posted is None else posted


def total_price(rest: Json) -> Decimal:
    posted = shop_amount(rest, "total_price")
    if posted is not None:
        return posted
    parts = total(map(line_total, lines(rest)))
    parts += total(price(line) - discount(line) for line in shipping_lines(rest))
    extras = sum((shop_amount(rest, key) or ZERO for key in ("total_tip_received", "original_total_duties")), ZERO)
    fees = shop_amount(rest, "original_total_additional_fees") or ZERO
    return parts + extras + fees + (ZERO if rest.get("taxes_included") else tax(rest))


def returned(rest: Json) -> Decimal:
    """The amount that refunds removed from the order: lines with tax, and adjustments."""
    on_top = not rest.get("taxes_included")
    rows = total(
        (shop_amount(row, "subtotal") or ZERO) + ((shop_amount(row, "total_tax") or ZERO) if on_top else ZERO)
        for row in refund_lines(rest)
    )
    adjustments = total(
        (shop_amount(row, "amount") or ZERO) + (shop_amount(row, "tax_amount") or ZERO)
        for refund in refunds(rest)
        for row in refund.get("order_adjustments") or []
    )
    return rows - adjustments


def current_total(rest: Json) -> Decimal:
    posted = shop_amount(rest, "current_total_price")
    return total_price(rest) - returned(rest) if posted is None else posted


def rate(rest: Json) -> Decimal:
    """The exchange rate from the shop's to the customer's currency, from the order's total; 1 if unknown."""
    both = rest.get("total_price_set")
    if not isinstance(both, dict) or presentment_currency(rest) == rest["currency"]:
        return ONE
    shop = amount((both.get("shop_money") or {}).get("amount"))
    presentment = amount((both.get("presentment_money") or {}).get("amount"))
    return presentment / shop if shop and presentment else ONE


def presentment_currency(rest: Json) -> str:
    return str(rest.get("presentment_currency") or rest["currency"])
