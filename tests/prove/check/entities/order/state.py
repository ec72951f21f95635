"""The expected state of an order in Heartland, derived from the shop's changes alone, and its actual state."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tests.prove.history import Mutation

Json = dict[str, Any]
NAME = "order"
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Line:
    """Quantity, and net amount after discounts without tax."""

    qty: int
    net: Decimal


@dataclass
class Order:
    """`lines` are by Shopify's line id, `payments` by its transaction id; `seq` is the number of the last change."""

    id: str
    lines: dict[str, Line] = field(default_factory=dict)
    tax: Decimal = ZERO
    total: Decimal = ZERO
    payments: dict[str, list[Decimal]] = field(default_factory=dict)
    cancelled: bool = False
    seq: int = 0

    @property
    def paid(self) -> Decimal:
        return sum((amount for amounts in self.payments.values() for amount in amounts), ZERO)


def expected(history: Iterable[Mutation]) -> Order:
    """The state after all changes of one order, oldest first; other entities' changes are ignored."""
    order, documents = Order(""), {}
    for row in history:
        if row.entity != NAME or not row.happened:
            continue
        order.seq = max(order.seq, row.seq)
        if row.action == "new":
            documents = _place(order, row.details["document"])
        elif row.action == "edit":
            _edit(order, documents, row)
        elif row.action == "pay":
            paid = row.answer["transaction"]
            order.payments[str(paid["id"])] = [Decimal(paid["amount"])]
        elif row.action == "cancel":
            order.cancelled = True
    return order


def _place(order: Order, document: Json) -> dict[str, Json]:
    """Sets the order as placed; returns its lines by id, for later edits."""
    lines = {str(line["id"]): line for line in document["line_items"]}
    order.id = str(document["id"])
    order.lines = {name: Line(line["quantity"], _net(line, document)) for name, line in lines.items()}
    order.tax, order.total = Decimal(document["total_tax"]), Decimal(document["total_price"])
    for paid in document.get("transactions") or []:
        if paid["kind"] in ("sale", "capture") and paid["status"] == "success":
            order.payments[str(paid["id"])] = [Decimal(paid["amount"])]
    return lines


def _net(line: Json, document: Json) -> Decimal:
    off = sum((Decimal(share["amount"]) for share in line.get("discount_allocations") or []), ZERO)
    included = _tax(line) if document.get("taxes_included") else ZERO
    return Decimal(line["price"]) * int(line["quantity"]) - off - included


def _tax(line: Json) -> Decimal:
    return sum((Decimal(tax["price"]) for tax in line.get("tax_lines") or []), ZERO)


def _edit(order: Order, documents: Mapping[str, Json], row: Mutation) -> None:
    """The generator removes whole lines and adds lines without tax, so no amount needs rounding."""
    for removal in row.details.get("remove") or []:
        name = str(removal["line_item_id"])
        removed, tax = order.lines.pop(name), _tax(documents[name])
        order.tax -= tax
        order.total -= removed.net + tax
    added = row.answer["order_edit"]["line_items"]["additions"]
    for line, made in zip(row.details.get("add") or [], added, strict=True):
        new = Line(line["quantity"], Decimal(line["price"]) * line["quantity"])
        order.lines[str(made["id"])] = new
        order.total += new.net


def actual(there: Json, note_field: str) -> Order:
    """The order as Heartland has it. Lines that are not Shopify lines (a tip) count in the total only."""
    custom = there["order"]["custom"]
    units: Counter[str] = Counter()
    net: defaultdict[str, Decimal] = defaultdict(Decimal)
    for row in there["lines"]:
        name = str(row["custom"].get("shopify_line_id", ""))
        if row["qty"] and (name.isdigit() or not name):
            units[name] += int(row["qty"])
            net[name] += Decimal(row["adjusted_unit_price"]) * row["qty"]
    payments: defaultdict[str, list[Decimal]] = defaultdict(list)
    for row in there["payments"]:
        payments[str(row["custom"].get("shopify_transaction_id"))].append(Decimal(row["amount"]))
    return Order(
        id=str(custom.get("shopify_order_id")),
        lines={name: Line(units[name], net[name]) for name in units},
        tax=sum((Decimal(row["value"]) for row in there["taxes"]), ZERO),
        total=Decimal(there["order"]["total"]),
        payments=dict(payments),
        cancelled=there["order"]["status"] == "canceled",
        seq=number_of(custom.get(note_field)),
    )


def number_of(note: object) -> int:
    """The change number in a note; 0 for any other note."""
    word, _, number = str(note or "").partition(" ")
    return int(number) if word == "seq" and number.isdigit() else 0


def differences(wanted: Order, there: Order) -> Iterator[str]:
    """Each difference in words."""
    if there.id != wanted.id:
        yield f"linked to Shopify order {there.id} instead of {wanted.id}"
    for name in sorted(wanted.lines.keys() | there.lines.keys()):
        if wanted.lines.get(name) != there.lines.get(name):
            yield f"line {name}: {_line(there.lines.get(name))} instead of {_line(wanted.lines.get(name))}"
    for what in ("tax", "total", "cancelled"):
        if getattr(wanted, what) != getattr(there, what):
            yield f"{what} {getattr(there, what)} instead of {getattr(wanted, what)}"
    yield from _money(wanted, there)
    if wanted.seq != there.seq:
        yield f"state after change {there.seq} instead of {wanted.seq}"


def _money(wanted: Order, there: Order) -> Iterator[str]:
    """Compares payments one by one, unless the shop was paid more than the order's total.

    If an edit reduced a paid order, Heartland must have at least the order's total, and of each payment no more than
    was paid: Heartland rejects a payment above the outstanding amount, so the result depends on which change was
    written first. The rest may follow as a payment of its own (`6001/2`) if the order grows again.
    """
    taken, booked = _by_payment(wanted), _by_payment(there)
    least = min(wanted.paid, wanted.total)
    if not least <= there.paid <= wanted.paid:
        yield f"paid {there.paid} instead of {least}" + (f" to {wanted.paid}" if least < wanted.paid else "")
    for name in sorted(taken.keys() | booked.keys()):
        is_all = wanted.paid <= wanted.total
        if booked[name] > taken[name] or (is_all and booked[name] < taken[name]):
            yield f"payments {_payments(there)} instead of {_payments(wanted)}"
            return


def _by_payment(order: Order) -> Mapping[str, Decimal]:
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for name, amounts in order.payments.items():
        sums[name.partition("/")[0]] += sum(amounts, ZERO)
    return sums


def _line(line: Line | None) -> str:
    return f"{line.qty} for {line.net}" if line else "nothing"


def _payments(order: Order) -> str:
    return ", ".join(f"{name}: {'+'.join(map(str, amounts))}" for name, amounts in order.payments.items()) or "none"
