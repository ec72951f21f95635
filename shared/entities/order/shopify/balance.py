"""Finds the interpretation of Shopify's amounts that adds up to its total. Pure.

Quantities, allocations and tax lines of a line keep counting refunded and removed units, and so does totalPriceSet
("before returns"): the plain interpretation is ordered quantities against totalPriceSet. The others cover what
Shopify's schema leaves open or old records lack; each differs from the plain one in a stated way, and is used only if
it balances to the cent. Amounts are never adjusted: what no interpretation explains goes to review.
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
    """What Shopify states beside the parts. `taxes` are the order's own tax lines, sums over the whole order.

    `unit` is the currency's smallest amount; `removed_shipping` are ids of shipping lines that an edit took off.
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
    assert plainest is not None  # noqa: S101 - there is always the plain one
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


def _charged(order: Order) -> list[OrderLine | ShippingLine]:
    return [*order.lines, *order.shipping_lines]


def _as_it_is(order: Order) -> Order:
    return order


def _quantities(order: Order, stated: StatedTotals) -> list[Interpretation]:
    """Ordered quantities, or those an edit left: whether a total still counts removed units is not documented."""
    if not stated.removed_shipping and not any(line.removed for line in order.lines):
        return [_as_it_is]

    def edited(interpretation: Order) -> Order:
        lines = tuple(_less_removed(line, stated.unit) for line in interpretation.lines)
        shipping = tuple(line for line in interpretation.shipping_lines if line.id not in stated.removed_shipping)
        return interpretation.model_copy(update={"lines": lines, "shipping_lines": shipping})

    return [_as_it_is, edited]


def _less_removed(line: OrderLine, unit: Decimal) -> OrderLine:
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
    """totalPriceSet; or currentTotalPriceSet, which alone moves when a line is added to an order of an old API."""
    if stated.current_total == order.total:
        return [_as_it_is]
    return [_as_it_is, lambda interpretation: interpretation.model_copy(update={"total": stated.current_total})]


def _taxes(order: Order, stated: StatedTotals) -> list[Interpretation]:
    """Taxes of the lines; or with what the order states beyond them (taxes on fees; order-wide rounding).

    Records from before tax lines stood on lines have the order's only.
    """
    beyond = _beyond(order, stated.taxes)
    if not beyond:
        return [_as_it_is]

    def whole(interpretation: Order) -> Order:
        return interpretation.model_copy(update={"order_taxes": beyond})

    on_lines = any(line.taxes for line in _charged(order))
    return [_as_it_is, whole] if on_lines else [whole]


def _beyond(order: Order, stated: tuple[TaxLine, ...]) -> tuple[TaxLine, ...]:
    if not stated:
        return ()
    left: dict[str, Decimal] = defaultdict(Decimal)
    charged = [tax for line in _charged(order) for tax in line.taxes]
    rates = {tax.title: tax.rate for tax in (*charged, *stated)}
    for tax in stated:
        left[tax.title] += tax.amount
    for tax in charged:
        left[tax.title] -= tax.amount
    return tuple(TaxLine(title=title, rate=rates[title], amount=rest) for title, rest in left.items() if rest)


def _discounts(order: Order, stated: StatedTotals) -> list[Interpretation]:
    """Allocations; or with what the order's discount total has beyond them (records from before allocations)."""
    allocated = total(d.amount for line in _charged(order) for d in line.discounts)
    rest = stated.discounts - allocated
    if rest <= 0:
        return [_as_it_is]
    discount = (Discount(label=stated.discount_label, amount=rest),)
    return [_as_it_is, lambda interpretation: interpretation.model_copy(update={"order_discounts": discount})]


def _rounding(order: Order, stated: StatedTotals) -> list[Interpretation]:
    """Cash is rounded when it is taken. Shopify adjusts what it received, not the total: it comes on top of that.

    Unless the payments make up the total without it; or the total has it already.
    """
    if not stated.rounding:
        return [_as_it_is]

    def on_top(interpretation: Order) -> Order:
        payable = interpretation.total + stated.rounding
        return interpretation.model_copy(update={"rounding": stated.rounding, "total": payable})

    def inside(interpretation: Order) -> Order:
        return interpretation.model_copy(update={"rounding": stated.rounding})

    return [_as_it_is if order.paid == order.total else on_top, inside]


def _tip(order: Order) -> list[Interpretation]:
    """A tip that was chosen at checkout is a line of the order too; it must not count twice."""
    line = next((line for line in order.lines if _is_tip(line, order.tip)), None)
    if line is None:
        return [_as_it_is]

    def once(interpretation: Order) -> Order:
        return interpretation.model_copy(
            update={"lines": tuple(each for each in interpretation.lines if each.id != line.id)}
        )

    return [_as_it_is, once]


def _is_tip(line: OrderLine, tip: Decimal) -> bool:
    return bool(tip) and line.net == tip and not (line.sku or line.variant_id or line.requires_shipping or line.tax)


def _part(order: Order, field: str) -> list[Interpretation]:
    """A sum that is part of the total; or is collected apart from it."""
    if not getattr(order, field):
        return [_as_it_is]
    return [_as_it_is, lambda interpretation: interpretation.model_copy(update={field: Decimal(0)})]
