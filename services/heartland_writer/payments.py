"""What is to be booked of the payments that the shop took, and what a person must do about them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from services.heartland_writer.known import Known, References
from services.heartland_writer.steps import AddPayment, Finding
from services.heartland_writer.wanted import Payment, Wanted
from shared.canonical.money import total
from shared.canonical.order import Order
from shared.connectors.heartland.models import Payment as Booked
from shared.connectors.heartland.settings import HeartlandSettings

_PAYMENT = "payment:"
# Between a payment's transaction id and the number of its part, from the second on.
_PART = "/"


def payment_steps(
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


def absent_payments(operations: Iterable[str], known: Known, rules: HeartlandSettings) -> set[str]:
    """Those of these operations that book a payment which Heartland does not hold."""
    there = {f"{_PAYMENT}{one.custom.get(rules.transaction_id_field, '')}" for one in known.payments}
    return {name for name in operations if name.startswith(_PAYMENT) and name not in there}


def payment_by_hand(known: Known, payment: Booked, why: str) -> Finding:
    return Finding(
        kind="payment_by_hand",
        title=f"A payment of {payment.amount} came in after Heartland order {known.order.public_id} was closed",
        advice=f"Book it in Heartland by hand. {why}.",
        details={"heartland_order_id": known.order.id, "amount": str(payment.amount), "custom": dict(payment.custom)},
    )


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
