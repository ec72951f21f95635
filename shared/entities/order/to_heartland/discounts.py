"""Computes how discounts are written to Heartland. Pure.

A discount on a line makes the line's unit price lower than its list price: Heartland shows the difference as discount.
A discount on the order as a whole becomes a line of its own, with a negative price and an item that is not stocked.
"""

from __future__ import annotations

from decimal import Decimal

from shared.canonical.money import rounded, total
from shared.entities.order.record import Order, OrderLine


def list_price(line: OrderLine, price: Decimal, order: Order, unit: Decimal) -> Decimal:
    """The price of one unit before its discount, without tax. `price` is the price after the discount."""
    if not line.discount:
        return price
    if not order.taxes_included or not line.net:
        return max(line.price, price)
    return max(rounded(line.price * (line.net - line.tax) / line.net, unit), price)


def order_discount(order: Order) -> Decimal:
    """The sum of discounts on the order as a whole."""
    return total(discount.amount for discount in order.order_discounts)
