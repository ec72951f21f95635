"""From what an order should be and what Heartland has of it, to the calls that remain. Pure.

The same function serves a new order, one that was left half-built by a crash, and an update: it only looks at the
difference. An order is built as `pending` and opened last, since the stores act on what is open.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from services.heartland_writer.known import Known, References
from services.heartland_writer.lines import Edits, edit_lines
from services.heartland_writer.steps import (
    AddPayment,
    AddTax,
    CancelOrder,
    ChangeOrder,
    CreateOrder,
    Finding,
    Plan,
    ReadInvoices,
    ReadTaxes,
    Step,
)
from services.heartland_writer.wanted import Payment, Wanted
from shared.canonical.money import total
from shared.canonical.order import Order
from shared.connectors.heartland.models import Payment as Booked
from shared.connectors.heartland.settings import HeartlandSettings

TAX_RESET = "Tax computed by Heartland, taken back"
_PAYMENT = "payment:"
# Between a payment's transaction id and the number of its part, from the second on.
_PART = "/"


def plan_order(
    order: Order, wanted: Wanted, references: References, known: Known | None, rules: HeartlandSettings
) -> Plan:
    """What to do next about this order. Ask again with what the steps brought, until the plan is complete."""
    if known is None:
        return Plan((CreateOrder(order_body(order, wanted, references, rules)),), complete=False)
    if known.canceled:
        return Plan((), tuple(_canceled_there(wanted)))
    edits = edit_lines(wanted.lines, known.lines, references, rules)
    header = _header(order, wanted, references, known, rules)
    moves_money = bool(edits.steps) or "shipping_charge" in header
    strangers = tuple(_strangers(edits))
    if moves_money and _is_late(known):
        return _too_late(wanted, references, known, rules, strangers)
    if (edits.steps or header) and not known.closed:
        return _change(edits, header, known, moves_money)
    if known.taxes_stale and rules.tax_recomputed:
        return Plan((ReadTaxes(),), complete=False)
    return _finish(wanted, references, known, rules, strangers)


def _is_late(known: Known) -> bool:
    """Whether goods are invoiced, as far as we know."""
    return known.closed or bool(known.invoiced)


def _change(edits: Edits, header: dict[str, object], known: Known, moves_money: bool) -> Plan:
    """Lines and header first: what Heartland makes of the taxes depends on them."""
    if moves_money and not known.pending and known.invoiced is None:
        return Plan((ReadInvoices(),), complete=False)
    changes = [ChangeOrder(header)] if header else []
    return Plan((*edits.steps, *changes), complete=False)


def _finish(
    wanted: Wanted, references: References, known: Known, rules: HeartlandSettings, findings: tuple[Finding, ...]
) -> Plan:
    """Lines stand as they should: taxes, payments, status."""
    taxes = [] if known.closed else list(_tax_steps(wanted, known))
    payments, unbooked = _payment_steps(wanted, references, known, rules)
    status, more = _status_steps(wanted, known, rules)
    return Plan((*taxes, *payments, *status), (*findings, *unbooked, *more))


def _too_late(
    wanted: Wanted, references: References, known: Known, rules: HeartlandSettings, findings: tuple[Finding, ...]
) -> Plan:
    """The goods are invoiced: what was sold stays as it is, what was paid is still brought in."""
    finding = Finding(
        kind="edit_after_invoice",
        title=f"Heartland order {known.order.public_id} was invoiced before it was edited in Shopify",
        advice="Book the difference in Heartland by hand: a return for what came off, a ticket for what was added.",
        details={"heartland_order_id": known.order.id, "shopify_total": str(wanted.total)},
        blocks=True,
    )
    payments, unbooked = _payment_steps(wanted, references, known, rules)
    status, more = _status_steps(wanted, known, rules)
    return Plan((*payments, *status), (*findings, finding, *unbooked, *more))


def order_body(order: Order, wanted: Wanted, references: References, rules: HeartlandSettings) -> dict[str, object]:
    """A new order's header."""
    at = _utc(order.processed_at or order.created_at)
    body = {
        "status": "pending",
        "public_id": public_id(order, rules),
        "customer_id": references.customer_id,
        "billing_address_id": references.billing_address_id,
        "shipping_address_id": references.shipping_address_id,
        "source_location_id": references.source_location_id,
        "station_id": references.station_id,
        "shipping_method_id": rules.shipping_method_id,
        "shipping_charge": wanted.shipping,
        "sales_rep": rules.sales_rep or None,
        "custom": {rules.order_id_field: order.id, **_note(order, rules)},
        "created_at": at,
        "updated_at": at,
    }
    return {name: value for name, value in body.items() if value is not None}


def public_id(order: Order, rules: HeartlandSettings) -> str:
    """The number that the stores see: our prefix and Shopify's name without `#`."""
    return rules.order_prefix + order.name.removeprefix("#").strip()


def _note(order: Order, rules: HeartlandSettings) -> dict[str, str]:
    return {rules.note_field: order.note} if rules.note_field and order.note else {}


def _header(
    order: Order, wanted: Wanted, references: References, known: Known, rules: HeartlandSettings
) -> dict[str, object]:
    """Header fields that differ. What we do not know never blanks what Heartland knows."""
    there = known.order
    fields = {
        "customer_id": (references.customer_id, there.customer_id),
        "billing_address_id": (references.billing_address_id, there.billing_address_id),
        "shipping_address_id": (references.shipping_address_id, there.shipping_address_id),
    }
    changes: dict[str, object] = {
        name: ours for name, (ours, theirs) in fields.items() if ours is not None and ours != theirs
    }
    if wanted.shipping != (there.shipping_charge or Decimal(0)):
        changes["shipping_charge"] = wanted.shipping
    # Flat, since it is not known whether a nested `custom` keeps the keys that it does not name.
    notes = _note(order, rules).items()
    return changes | {f"custom@{name}": text for name, text in notes if there.custom.get(name, "") != text}


def _tax_steps(wanted: Wanted, known: Known) -> Iterator[Step]:
    """Difference by title. What Heartland computed on its own is taken back by one negative line."""
    there: dict[str, Decimal] = {}
    for tax in known.taxes:
        there[tax.description] = there.get(tax.description, Decimal(0)) + tax.value
    foreign = total(value for title, value in there.items() if title not in wanted.taxes)
    if foreign:
        yield AddTax({"description": TAX_RESET, "value": -foreign})
    for title, amount in wanted.taxes.items():
        difference = amount - there.get(title, Decimal(0))
        if difference:
            yield AddTax({"description": title, "value": difference})


def _payment_steps(
    wanted: Wanted, references: References, known: Known, rules: HeartlandSettings
) -> tuple[list[AddPayment], list[Finding]]:
    """What is missing of each payment, but no more than the order still owes.

    A shop may have taken more: the order was edited down after it was paid. Should it grow again, the rest is booked as
    a further part of the same payment.
    """
    there, steps = list(known.payments), []
    owed = max(wanted.total - total(one.amount for one in there), Decimal(0))
    unbooked = -wanted.refunded
    for payment in wanted.payments:
        type_id = references.payment_types[payment.gateway]
        booked = _take_bookings(payment, type_id, there, rules)
        missing = payment.amount - total(one.amount for one in booked)
        if booked and missing <= 0:
            continue
        amount = min(missing, owed) if rules.payments_within_balance else missing
        owed -= amount
        unbooked += missing - amount
        if amount:
            steps.append(_book(replace(payment, amount=amount), len(booked), type_id, rules))
    return steps, [_overpaid(wanted, known, unbooked)] if unbooked > 0 else []


def _book(payment: Payment, parts_before: int, type_id: int, rules: HeartlandSettings) -> AddPayment:
    name = payment.transaction_id + (f"{_PART}{parts_before + 1}" if parts_before else "")
    body = {
        "type": "CustomPayment",
        "payment_type_id": type_id,
        "amount": payment.amount,
        "deposit": True,  # taken before anything is invoiced
        "custom": {rules.transaction_id_field: name},
    }
    return AddPayment(_PAYMENT + name, name, body)


def _take_bookings(payment: Payment, type_id: int, there: list[Booked], rules: HeartlandSettings) -> list[Booked]:
    """The payment's parts among those, which they then are no more: by transaction id, else by type and amount."""
    field = rules.transaction_id_field
    found = [one for one in there if one.custom.get(field, "").partition(_PART)[0] == payment.transaction_id]
    if not found:
        unnamed = [other for other in there if not other.custom.get(field)]
        found = [one for one in unnamed if one.payment_type_id == type_id and one.amount == payment.amount][:1]
    for one in found:
        there.remove(one)
    return found


def _overpaid(wanted: Wanted, known: Known, unbooked: Decimal) -> Finding:
    paid = total(payment.amount for payment in wanted.payments)
    return Finding(
        kind="overpaid",
        title=f"{unbooked} that Shopify took for Heartland order {known.order.public_id} is more than it costs",
        advice="If the order was edited down, pay the difference back in Shopify; if a payment was taken in the store "
        "too, give that one back. What is not booked in Heartland yet follows by itself should the order grow again.",
        details={
            "heartland_order_id": known.order.id,
            "total": str(wanted.total),
            "paid": str(paid),
            "unbooked": str(unbooked),
        },
    )


def _status_steps(wanted: Wanted, known: Known, rules: HeartlandSettings) -> tuple[list[Step], list[Finding]]:
    if not wanted.cancelled:
        return ([ChangeOrder({"status": "open"})] if known.pending else []), []
    if known.closed or known.invoiced:
        return [], [cancel_by_hand(known, "it is invoiced already; take the goods back with a return")]
    if not rules.can_cancel_order:
        return [], [cancel_by_hand(known, "cancel it in Heartland and release its stock")]
    return [CancelOrder()], []


def cancel_by_hand(known: Known, what: str) -> Finding:
    return Finding(
        kind="cancel_by_hand",
        title=f"Heartland order {known.order.public_id} was cancelled in Shopify",
        advice=f"Order {known.order.public_id}: {what}.",
        details={"heartland_order_id": known.order.id},
    )


def payment_by_hand(known: Known, payment: Booked, why: str) -> Finding:
    return Finding(
        kind="payment_by_hand",
        title=f"A payment of {payment.amount} came in after Heartland order {known.order.public_id} was closed",
        advice=f"Book it in Heartland by hand. {why}.",
        details={"heartland_order_id": known.order.id, "amount": str(payment.amount), "custom": dict(payment.custom)},
    )


def _canceled_there(wanted: Wanted) -> Iterator[Finding]:
    if not wanted.cancelled:
        yield Finding(
            kind="canceled_in_heartland",
            title="The order was canceled in Heartland but stands in Shopify",
            advice="Cancel it in Shopify too, or enter it again in Heartland.",
        )


def _strangers(edits: Edits) -> Iterator[Finding]:
    if edits.strangers:
        yield Finding(
            kind="extra_lines",
            title="The Heartland order has lines that Shopify does not have",
            advice="Check whether somebody added them on purpose; remove them in Heartland otherwise.",
            details={"line_ids": [line.id for line in edits.strangers]},
        )


def absent_payments(operations: Iterable[str], known: Known, rules: HeartlandSettings) -> set[str]:
    """Those of these operations that book a payment which Heartland does not hold."""
    there = {f"{_PAYMENT}{one.custom.get(rules.transaction_id_field, '')}" for one in known.payments}
    return {name for name in operations if name.startswith(_PAYMENT) and name not in there}


def refund_finding(order: Order, known: Known) -> Finding | None:
    """Refunds are no part of an order's own writing: say what to pay back by hand, of what Heartland holds."""
    refunded = total(refund.amount for refund in order.refunds)
    held = total(one.amount for one in known.payments)
    amount = min(refunded, held - (order.paid - refunded))
    if amount <= 0:
        return None
    return Finding(
        kind="refund_by_hand",
        title=f"Shopify refunded {amount} {order.currency} of order {order.name}",
        advice=f"Goods that were invoiced: enter a return over {amount} {order.currency} in Heartland, or check that "
        "it was. Goods that were not: take them off the Heartland order before they are packed.",
        details={"amount": str(amount), "currency": order.currency, "refunds": [refund.id for refund in order.refunds]},
    )


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
