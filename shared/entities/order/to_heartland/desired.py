"""The order as Heartland should hold it, in Heartland's terms but before any of its ids. Pure.

The surprise: Heartland knows unit prices, Shopify knows line totals. A discount that does not divide evenly by the
quantity becomes two lines, one unit price a cent apart, so that nothing is rounded away. And Heartland's prices are
without tax, so an order with taxes included is taken apart.
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
    """`line_id` is Shopify's line id, or an extra's name (`tip`). Prices are of one unit, without tax."""

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
    """`extras` are the SKUs among the lines that the bridge itself keeps as items. `taxes` are by title.

    `refunded` is what the shop paid back of the payments, without any goods coming back for it.
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


def desired_order(order: Order, rules: HeartlandOrderSettings) -> DesiredOrder:
    """The order as Heartland should hold it. Raises NeedsReview where it would not come to the same total."""
    kept = [_kept(line, share, order) for line, share in zip(order.lines, _order_tax(order), strict=True)]
    extras = list(_extras(order, rules))
    desired = DesiredOrder(
        lines=tuple(part for one in kept for part in _parts(one, order, rules)) + tuple(extras),
        extras=frozenset({line.sku for line in extras} | {rules.placeholder_sku}),
        shipping=_shipping(order),
        taxes=_taxes(order, kept),
        payments=tuple(_payments(order)),
        cancelled=order.cancelled_at is not None,
        refunded=Decimal(0) if has_returns(order) else total(refund.amount for refund in order.refunds),
    )
    removed = total(one.removed for one in kept)
    _balance(order, desired, order.total - removed)
    return desired


@dataclass(frozen=True, slots=True)
class _Kept:
    """One line without the units that an edit took off.

    `net` is without tax, `taxes` are by title, `removed` is the value of what was taken off.
    """

    line: OrderLine
    quantity: int
    net: Decimal
    taxes: tuple[tuple[str, Decimal], ...]
    removed: Decimal = Decimal(0)

    @property
    def tax(self) -> Decimal:
        return total(amount for _, amount in self.taxes)


def _kept(line: OrderLine, order_tax: Decimal, order: Order) -> _Kept:
    included = line.tax + order_tax if order.taxes_included else Decimal(0)
    whole = _Kept(line, line.quantity, line.net - included, tuple((tax.title, tax.amount) for tax in line.taxes))
    return _without_removed(whole, minor_unit(order.currency)) if line.removed else whole


def _without_removed(whole: _Kept, unit: Decimal) -> _Kept:
    left = max(whole.quantity - whole.line.removed, 0)
    shares = [Decimal(left), Decimal(whole.quantity - left)]
    net = split(whole.net, shares, unit)[0]
    taxes = tuple((title, split(amount, shares, unit)[0]) for title, amount in whole.taxes)
    kept = _Kept(whole.line, left, net, taxes)
    return replace(kept, removed=whole.net + whole.tax - kept.net - kept.tax)


def _order_tax(order: Order) -> list[Decimal]:
    """By line, its share of taxes that are included in the prices but stated for the order as a whole (old records)."""
    whole = total(tax.amount for tax in order.order_taxes)
    if not whole or not order.taxes_included or not order.lines:
        return [Decimal(0)] * len(order.lines)
    return split(whole, [line.net for line in order.lines], minor_unit(order.currency))


def _parts(kept: _Kept, order: Order, rules: HeartlandOrderSettings) -> Iterator[DesiredLine]:
    """One line, or two whose unit prices are one minor unit apart."""
    if kept.quantity <= 0:
        return
    unit = minor_unit(order.currency)
    groups = _unit_prices(kept.net, kept.quantity, unit)
    taxes = split(kept.tax, [price * qty for price, qty in groups], unit)
    line = kept.line
    for (price, qty), tax in zip(groups, taxes, strict=True):
        yield DesiredLine(
            line_id=line.id,
            sku=line.sku or rules.placeholder_sku,
            qty=qty,
            original=list_price(line, price, order, unit),
            price=price,
            tax=tax,
            description="" if line.sku else line.title,
        )


def _unit_prices(net: Decimal, quantity: int, unit: Decimal) -> list[tuple[Decimal, int]]:
    """(unit price, units) that come to `net` exactly; a price finer than the minor unit stays if it divides."""
    even = net / quantity
    if even * quantity == net and even == even.quantize(unit):
        return [(even, quantity)]
    low = (even / unit).to_integral_value(rounding=ROUND_FLOOR) * unit
    more = int((net - low * quantity) / unit)
    rest = net - low * quantity - more * unit
    groups = [(low, quantity - more), (low + unit, more)]
    if rest:  # finer than the currency: one unit carries it
        groups = [(low, quantity - more - 1), (low + rest, 1), (low + unit, more)]
    return [group for group in groups if group[1] > 0]


def _extras(order: Order, rules: HeartlandOrderSettings) -> Iterator[DesiredLine]:
    """What Heartland's orders have no place for, as lines of items that are not stocked."""
    for name, sku, amount in (
        ("tip", rules.tip_sku, order.tip),
        ("duty", rules.duty_sku, order.duties),
        ("fee", rules.fee_sku, order.fees),
        ("rounding", rules.rounding_sku, order.rounding),
        ("discount", rules.discount_sku, -order_discount(order)),
    ):
        if amount:
            yield DesiredLine(line_id=name, sku=sku, qty=1, original=amount, price=amount, tax=Decimal(0))


def _shipping(order: Order) -> Decimal:
    net = total(line.net for line in order.shipping_lines)
    return net - total(line.tax for line in order.shipping_lines) if order.taxes_included else net


def _taxes(order: Order, kept: Iterable[_Kept]) -> dict[str, Decimal]:
    shared: list[TaxLine] = [tax for line in order.shipping_lines for tax in line.taxes] + list(order.order_taxes)
    named = [pair for one in kept for pair in one.taxes] + [(tax.title, tax.amount) for tax in shared]
    sums: dict[str, Decimal] = {}
    for title, amount in named:
        name = title.strip() or "Tax"
        sums[name] = sums.get(name, Decimal(0)) + amount
    return {title: amount for title, amount in sums.items() if amount}


def _payments(order: Order) -> Iterator[DesiredPayment]:
    for tender in order.tenders:
        if tender.money.currency != order.currency:
            raise NeedsReview(
                f"payment {tender.id} is in {tender.money.currency}, the order in {order.currency}",
                kind="payment_currency",
                advice="Book the payment in Heartland by hand in the shop's currency.",
                details={"transaction": tender.id, "amount": str(tender.money), "currency": order.currency},
            )
        if tender.money.amount:
            yield DesiredPayment(tender.id, tender.gateway, tender.money.amount, tender.kind == "cash")


def has_returns(order: Order) -> bool:
    """Whether goods came back: then nobody can tell what a refund was for."""
    return any(line.refunded for line in order.lines)


def _balance(order: Order, desired: DesiredOrder, expected: Decimal) -> None:
    if desired.total == expected:
        return
    raise NeedsReview(
        f"order {order.name} would come to {desired.total} in Heartland, Shopify says {expected} {order.currency}",
        kind="order_not_exact",
        advice="Compare the order's lines, taxes and discounts in Shopify with its total; enter it by hand if need be.",
        details={"stated": str(expected), "computed": str(desired.total), "difference": str(expected - desired.total)},
    )
