"""The canonical order: what was sold, to whom, for how much, and how it was paid.

Amounts are in the shop's currency, except those named `presentment`. Quantities are whole units. `price` is the list
price of one unit; `discounts` are allocations to this line; taxes are taken as stated, never recomputed.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Literal

from shared.canonical.address import Address
from shared.canonical.money import Exact, Money, total
from shared.canonical.record import CanonicalRecord


class Customer(CanonicalRecord):
    """The buyer. `shopify_id` is empty for a guest; every personal field may be empty."""

    shopify_id: str = ""
    email: str = ""
    first_name: str = ""
    last_name: str = ""
    phone: str = ""


class TaxLine(CanonicalRecord):
    title: str
    rate: Exact
    amount: Exact


class Discount(CanonicalRecord):
    """The share of one discount that is allocated to one line. `label` is the code or the title."""

    label: str
    amount: Exact


class OrderLine(CanonicalRecord):
    """One line as sold.

    `quantity` are the units ordered, `removed` those that an edit removed, `refunded` those that were refunded.
    `net` and `tax` cover all ordered units.
    """

    id: str
    sku: str = ""
    title: str = ""
    variant_id: str = ""
    quantity: int
    current_quantity: int
    removed: int = 0
    refunded: int = 0
    price: Exact
    discounts: tuple[Discount, ...] = ()
    taxes: tuple[TaxLine, ...] = ()
    gift_card: bool = False
    requires_shipping: bool = True
    properties: tuple[tuple[str, str], ...] = ()

    @property
    def gross(self) -> Decimal:
        return self.price * self.quantity

    @property
    def discount(self) -> Decimal:
        return total(share.amount for share in self.discounts)

    @property
    def net(self) -> Decimal:
        """List price times ordered quantity minus discounts; includes tax if the order's prices do."""
        return self.gross - self.discount

    @property
    def tax(self) -> Decimal:
        return total(line.amount for line in self.taxes)


class ShippingLine(CanonicalRecord):
    id: str = ""
    title: str = ""
    code: str = ""
    price: Exact
    discounts: tuple[Discount, ...] = ()
    taxes: tuple[TaxLine, ...] = ()

    @property
    def net(self) -> Decimal:
        return self.price - total(share.amount for share in self.discounts)

    @property
    def tax(self) -> Decimal:
        return total(line.amount for line in self.taxes)


TenderKind = Literal["card", "gift_card", "store_credit", "cash", "manual", "other"]


class Tender(CanonicalRecord):
    """A payment that the shop received: a successful sale or capture. `id` is the vendor's transaction id."""

    id: str
    gateway: str
    kind: TenderKind
    money: Money
    presentment: Money | None = None
    processed_at: datetime


class RefundSummary(CanonicalRecord):
    """The amount of a refund. The refund itself is a separate entity."""

    id: str
    amount: Exact
    created_at: datetime


class Order(CanonicalRecord):
    """The whole current order. `total` is stated by Shopify; `difference` checks it against the parts."""

    id: str
    name: str
    number: str = ""
    source_name: str = ""
    test: bool = False
    created_at: datetime
    processed_at: datetime | None = None
    updated_at: datetime
    cancelled_at: datetime | None = None
    closed_at: datetime | None = None
    cancel_reason: str = ""
    # Statuses and reasons in lower case, in the source's words: `partially_refunded`, `unfulfilled`.
    financial_status: str = ""
    fulfilment_status: str = ""
    currency: str
    presentment_currency: str = ""
    taxes_included: bool = False
    # Where messages about this order go; may differ from the customer's own.
    email: str = ""
    phone: str = ""
    customer: Customer = Customer()
    billing_address: Address | None = None
    shipping_address: Address | None = None
    lines: tuple[OrderLine, ...]
    shipping_lines: tuple[ShippingLine, ...] = ()
    # Taxes stated for the order as a whole but not for its lines, as in old records.
    order_taxes: tuple[TaxLine, ...] = ()
    # Discounts stated for the order as a whole but not for its lines, as in old records.
    order_discounts: tuple[Discount, ...] = ()
    tip: Exact = Decimal(0)
    duties: Exact = Decimal(0)
    fees: Exact = Decimal(0)
    rounding: Exact = Decimal(0)
    total: Exact
    presentment_total: Exact | None = None
    tenders: tuple[Tender, ...] = ()
    refunds: tuple[RefundSummary, ...] = ()
    tags: tuple[str, ...] = ()
    note: str = ""
    note_attributes: tuple[tuple[str, str], ...] = ()
    metafields: tuple[tuple[str, str, str], ...] = ()  # (namespace, key, value), verbatim

    @property
    def tax(self) -> Decimal:
        """All taxes of lines, shipping and the order itself."""
        parts = [line.tax for line in self.lines] + [line.tax for line in self.shipping_lines]
        return total(parts) + total(line.amount for line in self.order_taxes)

    @property
    def computed_total(self) -> Decimal:
        """The sum of the parts; tax is added only if prices do not include it."""
        parts = [line.net for line in self.lines] + [line.net for line in self.shipping_lines]
        extras = self.tip + self.duties + self.fees + self.rounding
        discounts = total(share.amount for share in self.order_discounts)
        added_tax = Decimal(0) if self.taxes_included else self.tax
        return total(parts) - discounts + extras + added_tax

    @property
    def difference(self) -> Decimal:
        """Stated total minus computed total. If it is not zero, the order goes to review."""
        return self.total - self.computed_total

    @property
    def paid(self) -> Decimal:
        """The sum of the tenders, in the shop's currency."""
        return total(tender.money.amount for tender in self.tenders)
