"""Finds the interpretation of Shopify's amounts that adds up to its total. Pure.

A line's quantity, discount allocations and taxes still include refunded and removed units, and so does totalPriceSet
("before returns"). So the plain interpretation compares ordered quantities with totalPriceSet. The other ones cover
what Shopify's schema leaves open or old records lack. Each differs from the plain one in one documented way, and is
used only if it balances to the cent. Amounts are never adjusted: an order that no interpretation balances goes to
review.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import product

from shared.canonical.money import split, total
from shared.entities.order.record import Discount, Order, OrderLine, ShippingLine, TaxLine

Interpretation = Callable[[Order], Order]


@dataclass(frozen=True, slots=True)
class StatedTotals:
    """Totals that Shopify states besides the lines.

    `taxes` are the order's own tax lines, sums of the whole order.

    `unit` is the currency's smallest amount; `removed_shipping` are ids of shipping lines that an edit removed.
    """

    unit: Decimal
    current_total: Decimal
    discounts: Decimal = Decimal(0)
    discount_label: str = "Discount"
    taxes: tuple[TaxLine, ...] = ()
    rounding: Decimal = Decimal(0)
    removed_shipping: frozenset[str] = frozenset()


def balanced(order: Order, stated: StatedTotals) -> Order:
    """The plainest interpretation that balances; the plainest of all if none does."""
    plainest: Order | None = None
    for interpretation in interpretations(order, stated):
        if interpretation.difference == 0:
            return interpretation
        plainest = plainest or interpretation
    assert plainest is not None  # noqa: S101 - the plain interpretation always exists
    return plainest


def interpretations(order: Order, stated: StatedTotals) -> Iterator[Order]:
    """Every interpretation, ordered by how little it differs from the plain one."""
    dimensions = [
        _quantities(order, stated),
        _totals(order, stated),
        _taxes(order, stated),
        _discounts(order, stated),
        _rounding(order, stated),
        _tip(order),
        _part(order, "duties"),
        _part(order, "fees"),
    ]
    choices = product(*(range(len(dimension)) for dimension in dimensions))
    for choice in sorted(choices, key=lambda picks: (sum(picks), picks)):
        interpretation = order
        for dimension, pick in zip(dimensions, choice, strict=True):
            interpretation = dimension[pick](interpretation)
        yield interpretation


def _charged_lines(order: Order) -> list[OrderLine | ShippingLine]:
    return [*order.lines, *order.shipping_lines]


def _unchanged(order: Order) -> Order:
    return order


def _quantities(order: Order, stated: StatedTotals) -> list[Interpretation]:
    """Ordered quantities, or those left after an edit: which ones totals include is not documented."""
    if not stated.removed_shipping and not any(line.removed for line in order.lines):
        return [_unchanged]

    def edited(interpretation: Order) -> Order:
        lines = tuple(_without_removed(line, stated.unit) for line in interpretation.lines)
        shipping = tuple(line for line in interpretation.shipping_lines if line.id not in stated.removed_shipping)
        return interpretation.model_copy(update={"lines": lines, "shipping_lines": shipping})

    return [_unchanged, edited]


def _without_removed(line: OrderLine, unit: Decimal) -> OrderLine:
    kept = line.quantity - line.removed
    if not line.removed:
        return line
    weights = (Decimal(kept), Decimal(line.removed))
    discounts = [d.model_copy(update={"amount": split(d.amount, weights, unit)[0]}) for d in line.discounts]
    taxes = [t.model_copy(update={"amount": split(t.amount, weights, unit)[0]}) for t in line.taxes]
    return line.model_copy(
        update={"quantity": kept, "removed": 0, "discounts": tuple(discounts), "taxes": tuple(taxes)}
    )


def _totals(order: Order, stated: StatedTotals) -> list[Interpretation]:
    """totalPriceSet, or currentTotalPriceSet, which alone changes if an old API adds a line."""
    if stated.current_total == order.total:
        return [_unchanged]
    return [_unchanged, lambda interpretation: interpretation.model_copy(update={"total": stated.current_total})]


def _taxes(order: Order, stated: StatedTotals) -> list[Interpretation]:
    """Taxes of the lines only, or with the order's taxes that exceed them, such as taxes on fees.

    Old records, from before lines had taxes, have only the order's taxes.
    """
    excess = _excess_taxes(order, stated.taxes)
    if not excess:
        return [_unchanged]

    def with_excess(interpretation: Order) -> Order:
        return interpretation.model_copy(update={"order_taxes": excess})

    on_lines = any(line.taxes for line in _charged_lines(order))
    return [_unchanged, with_excess] if on_lines else [with_excess]


def _excess_taxes(order: Order, stated: tuple[TaxLine, ...]) -> tuple[TaxLine, ...]:
    if not stated:
        return ()
    left: dict[str, Decimal] = defaultdict(Decimal)
    charged = [tax for line in _charged_lines(order) for tax in line.taxes]
    rates = {tax.title: tax.rate for tax in (*charged, *stated)}
    for tax in stated:
        left[tax.title] += tax.amount
    for tax in charged:
        left[tax.title] -= tax.amount
    return tuple(TaxLine(title=title, rate=rates[title], amount=rest) for title, rest in left.items() if rest)


def _discounts(order: Order, stated: StatedTotals) -> list[Interpretation]:
    """Allocations only, or with the rest of the order's discount total, as old records need."""
    allocated = total(d.amount for line in _charged_lines(order) for d in line.discounts)
    rest = stated.discounts - allocated
    if rest <= 0:
        return [_unchanged]
    discount = (Discount(label=stated.discount_label, amount=rest),)
    return [_unchanged, lambda interpretation: interpretation.model_copy(update={"order_discounts": discount})]


def _rounding(order: Order, stated: StatedTotals) -> list[Interpretation]:
    """Cash rounding is added to the total, or is part of it already.

    Shopify adjusts the received cash, not the total. Nothing is added if the payments equal the total without it.
    """
    if not stated.rounding:
        return [_unchanged]

    def added(interpretation: Order) -> Order:
        payable = interpretation.total + stated.rounding
        return interpretation.model_copy(update={"rounding": stated.rounding, "total": payable})

    def included(interpretation: Order) -> Order:
        return interpretation.model_copy(update={"rounding": stated.rounding})

    return [_unchanged if order.paid == order.total else added, included]


def _tip(order: Order) -> list[Interpretation]:
    """A tip from the checkout is both a line and a total: it must not count twice."""
    line = next((line for line in order.lines if _is_tip(line, order.tip)), None)
    if line is None:
        return [_unchanged]

    def without_line(interpretation: Order) -> Order:
        return interpretation.model_copy(
            update={"lines": tuple(other for other in interpretation.lines if other.id != line.id)}
        )

    return [_unchanged, without_line]


def _is_tip(line: OrderLine, tip: Decimal) -> bool:
    return bool(tip) and line.net == tip and not (line.sku or line.variant_id or line.requires_shipping or line.tax)


def _part(order: Order, field: str) -> list[Interpretation]:
    """An amount that is part of the total, or is collected separately."""
    if not getattr(order, field):
        return [_unchanged]
    return [_unchanged, lambda interpretation: interpretation.model_copy(update={field: Decimal(0)})]
