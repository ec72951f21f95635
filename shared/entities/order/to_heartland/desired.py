"""Computes the order as Heartland should hold it, in Heartland's terms but without its ids. Pure.

Heartland has unit prices, Shopify has line totals. A line total that does not divide evenly by the quantity becomes two
lines whose unit prices are one cent apart, so that no cent is rounded away. Heartland's prices exclude tax: where
Shopify's include it, the tax is taken out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import ROUND_FLOOR, Decimal

from shared.canonical.money import minor_unit, split, total
from shared.entities.order.record import Order, OrderLine, TaxLine
from shared.entities.order.settings import HeartlandOrderSettings
from shared.entities.order.to_heartland.discounts import list_price, order_discount
from shared.errors import NeedsReview


@dataclass(frozen=True, slots=True)
class DesiredLine:
    """`line_id` is Shopify's line id, or the name of an extra such as `tip`.

    Prices are per unit, without tax.
    """

    line_id: str
    sku: str
    qty: int
    original: Decimal
    price: Decimal
    tax: Decimal
    description: str = ""

    @property
    def value(self) -> Decimal:
        return self.price * self.qty


@dataclass(frozen=True, slots=True)
class DesiredPayment:
    transaction_id: str
    gateway: str
    amount: Decimal
    cash: bool = False


@dataclass(frozen=True, slots=True)
class DesiredOrder:
    """`extras` are the SKUs of items that Tillbridge itself creates in Heartland. `taxes` are by title.

    `refunded` is the money that the shop paid back without goods being returned.
    """

    lines: tuple[DesiredLine, ...]
    extras: frozenset[str]
    shipping: Decimal
    taxes: dict[str, Decimal]
    payments: tuple[DesiredPayment, ...]
    cancelled: bool
    refunded: Decimal = Decimal(0)

    @property
    def total(self) -> Decimal:
        return total(line.value for line in self.lines) + self.shipping + total(self.taxes.values())

    @property
    def skus(self) -> frozenset[str]:
        return frozenset(line.sku for line in self.lines)


def desired_order(order: Order, settings: HeartlandOrderSettings) -> DesiredOrder:
    """The order as Heartland should hold it. Raises NeedsReview where its total would not be Shopify's."""
    remaining = [_remaining(line, share, order) for line, share in zip(order.lines, _order_tax(order), strict=True)]
    extras = list(_extras(order, settings))
    desired = DesiredOrder(
        lines=tuple(part for line in remaining for part in _parts(line, order, settings)) + tuple(extras),
        extras=frozenset({line.sku for line in extras} | {settings.placeholder_sku}),
        shipping=_shipping(order),
        taxes=_taxes(order, remaining),
        payments=tuple(_payments(order)),
        cancelled=order.cancelled_at is not None,
        refunded=Decimal(0) if has_returns(order) else total(refund.amount for refund in order.refunds),
    )
    removed = total(line.removed for line in remaining)
    _check_total(order, desired, order.total - removed)
    return desired


@dataclass(frozen=True, slots=True)
class _RemainingLine:
    """A line without the units that an edit removed.

    `net` is without tax, `taxes` are by title, `removed` is the value of the removed units with tax.
    """

    line: OrderLine
    quantity: int
    net: Decimal
    taxes: tuple[tuple[str, Decimal], ...]
    removed: Decimal = Decimal(0)

    @property
    def tax(self) -> Decimal:
        return total(amount for _, amount in self.taxes)


def _remaining(line: OrderLine, order_tax: Decimal, order: Order) -> _RemainingLine:
    included = line.tax + order_tax if order.taxes_included else Decimal(0)
    taxes = tuple((tax.title, tax.amount) for tax in line.taxes)
    whole = _RemainingLine(line, line.quantity, line.net - included, taxes)
    return _without_removed(whole, minor_unit(order.currency)) if line.removed else whole


def _without_removed(whole: _RemainingLine, unit: Decimal) -> _RemainingLine:
    left = max(whole.quantity - whole.line.removed, 0)
    shares = [Decimal(left), Decimal(whole.quantity - left)]
    net = split(whole.net, shares, unit)[0]
    taxes = tuple((title, split(amount, shares, unit)[0]) for title, amount in whole.taxes)
    remaining = _RemainingLine(whole.line, left, net, taxes)
    return replace(remaining, removed=whole.net + whole.tax - remaining.net - remaining.tax)


def _order_tax(order: Order) -> list[Decimal]:
    """Each line's share of taxes that prices include but that are stated per order only (old records)."""
    whole = total(tax.amount for tax in order.order_taxes)
    if not whole or not order.taxes_included or not order.lines:
        return [Decimal(0)] * len(order.lines)
    return split(whole, [line.net for line in order.lines], minor_unit(order.currency))


def _parts(remaining: _RemainingLine, order: Order, settings: HeartlandOrderSettings) -> Iterator[DesiredLine]:
    """One line, or two whose unit prices are one minor unit apart."""
    if remaining.quantity <= 0:
        return
    unit = minor_unit(order.currency)
    groups = _unit_prices(remaining.net, remaining.quantity, unit)
    taxes = split(remaining.tax, [price * qty for price, qty in groups], unit)
    line = remaining.line
    for (price, qty), tax in zip(groups, taxes, strict=True):
        yield DesiredLine(
            line_id=line.id,
            sku=line.sku or settings.placeholder_sku,
            qty=qty,
            original=list_price(line, price, order, unit),
            price=price,
            tax=tax,
            description="" if line.sku else line.title,
        )


def _unit_prices(net: Decimal, quantity: int, unit: Decimal) -> list[tuple[Decimal, int]]:
    """(unit price, units) that sum to `net` exactly.

    Only a total finer than the minor unit needs a third price.
    """
    even = net / quantity
    if even * quantity == net and even == even.quantize(unit):
        return [(even, quantity)]
    low = (even / unit).to_integral_value(rounding=ROUND_FLOOR) * unit
    more = int((net - low * quantity) / unit)
    rest = net - low * quantity - more * unit
    groups = [(low, quantity - more), (low + unit, more)]
    if rest:  # finer than the minor unit: one unit's price carries it
        groups = [(low, quantity - more - 1), (low + rest, 1), (low + unit, more)]
    return [group for group in groups if group[1] > 0]


def _extras(order: Order, settings: HeartlandOrderSettings) -> Iterator[DesiredLine]:
    """Amounts that Heartland's orders have no field for, as lines of items that are not stocked."""
    for name, sku, amount in (
        ("tip", settings.tip_sku, order.tip),
        ("duty", settings.duty_sku, order.duties),
        ("fee", settings.fee_sku, order.fees),
        ("rounding", settings.rounding_sku, order.rounding),
        ("discount", settings.discount_sku, -order_discount(order)),
    ):
        if amount:
            yield DesiredLine(line_id=name, sku=sku, qty=1, original=amount, price=amount, tax=Decimal(0))


def _shipping(order: Order) -> Decimal:
    net = total(line.net for line in order.shipping_lines)
    return net - total(line.tax for line in order.shipping_lines) if order.taxes_included else net


def _taxes(order: Order, lines: Iterable[_RemainingLine]) -> dict[str, Decimal]:
    shared: list[TaxLine] = [tax for line in order.shipping_lines for tax in line.taxes] + list(order.order_taxes)
    taxes = [pair for line in lines for pair in line.taxes] + [(tax.title, tax.amount) for tax in shared]
    sums: dict[str, Decimal] = {}
    for title, amount in taxes:
        name = title.strip() or "Tax"
        sums[name] = sums.get(name, Decimal(0)) + amount
    return {title: amount for title, amount in sums.items() if amount}


def _payments(order: Order) -> Iterator[DesiredPayment]:
    for tender in order.tenders:
        if tender.money.currency != order.currency:
            raise NeedsReview(
                f"payment {tender.id} is in {tender.money.currency}, the order in {order.currency}",
                kind="payment_currency",
                advice=f"Order {order.name} is not written to Heartland: enter it there by hand, with the payment "
                " in the shop's currency.",
                details={"transaction": tender.id, "amount": str(tender.money), "currency": order.currency},
            )
        if tender.money.amount:
            yield DesiredPayment(tender.id, tender.gateway, tender.money.amount, tender.kind == "cash")


def has_returns(order: Order) -> bool:
    """Whether goods were returned: then it cannot be told which part of a refund was for them."""
    return any(line.refunded for line in order.lines)


def _check_total(order: Order, desired: DesiredOrder, expected: Decimal) -> None:
    if desired.total == expected:
        return
    raise NeedsReview(
        f"order {order.name} is {expected} {order.currency} in Shopify but would be {desired.total} in Heartland",
        kind="order_not_exact",
        advice="The order is not written to Heartland, since its totals would differ. Compare its lines, taxes and "
        "discounts in Shopify with its total there; enter the order in Heartland by hand if they do not add up.",
        details={"stated": str(expected), "computed": str(desired.total), "difference": str(expected - desired.total)},
    )
