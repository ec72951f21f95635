"""Plans which payments are booked in Heartland, and what a person must do about the others. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal

from shared.canonical.money import total
from shared.entities.order.heartland.orders import SalesOrderPayment
from shared.entities.order.record import Order
from shared.entities.order.settings import HeartlandOrderSettings
from shared.entities.order.to_heartland.actual_order import ActualOrder
from shared.entities.order.to_heartland.desired import DesiredOrder, DesiredPayment, has_returns
from shared.entities.order.to_heartland.references import References
from shared.entities.order.to_heartland.steps import AddPayment
from shared.sync.plan import Problem

_PAYMENT = "payment:"
# Between a payment's transaction id and the number of its part, from the second on.
_PART = "/"


def payment_steps(
    desired: DesiredOrder, references: References, actual: ActualOrder, rules: HeartlandOrderSettings, cost: Decimal
) -> tuple[list[AddPayment], list[Problem]]:
    """What is missing of each payment, but no more than the order still owes of its `cost` in Heartland.

    A shop may have taken more: the order was edited down after it was paid. Should it grow again, the rest is booked as
    a further part of the same payment, unless it was paid back meanwhile.
    """
    booked = _pair(desired.payments, references, actual.payments, rules)
    missing = {
        payment.transaction_id: payment.amount - total(one.amount for one in booked[payment.transaction_id])
        for payment in desired.payments
    }
    untouched = [payment for payment in desired.payments if not booked[payment.transaction_id]]
    # Of cash, what is kept depends on what the order comes to: there the rest is change, which nobody holds.
    begun = [
        one for one in desired.payments if one not in untouched and not one.cash and missing[one.transaction_id] > 0
    ]
    rest = max(total(missing[one.transaction_id] for one in begun) - desired.refunded, Decimal(0))
    owed = max(cost - total(one.amount for one in actual.payments), Decimal(0))
    steps, unbooked = [], Decimal(0)
    for payment in (*untouched, *begun):
        most = owed if payment in untouched else min(owed, rest)
        name = payment.transaction_id
        amount = min(missing[name], most) if rules.payments_within_balance else missing[name]
        owed -= amount
        unbooked += missing[name] - amount
        if amount:
            part = replace(payment, amount=amount)
            steps.append(_book(part, len(booked[name]), references.payment_types[payment.gateway], rules))
    over = max(unbooked, total(one.amount for one in desired.payments) - cost) - desired.refunded
    return steps, [_overpaid(desired, actual, cost, over)] if over > 0 else []


def _book(payment: DesiredPayment, parts_before: int, type_id: int, rules: HeartlandOrderSettings) -> AddPayment:
    name = payment.transaction_id + (f"{_PART}{parts_before + 1}" if parts_before else "")
    body = {
        "type": "CustomPayment",
        "payment_type_id": type_id,
        "amount": payment.amount,
        "deposit": True,  # taken before anything is invoiced
        "custom": {rules.transaction_id_field: name},
    }
    return AddPayment(_PAYMENT + name, name, body)


def _pair(
    payments: Sequence[DesiredPayment],
    references: References,
    there: Sequence[SalesOrderPayment],
    rules: HeartlandOrderSettings,
) -> dict[str, list[SalesOrderPayment]]:
    """What is booked of each payment: by transaction id; where there is none, by type and amount, whole or in part."""
    field, left = rules.transaction_id_field, list(there)

    def take(found: list[SalesOrderPayment]) -> list[SalesOrderPayment]:
        for one in found:
            left.remove(one)
        return found

    def alike(payment: DesiredPayment) -> list[SalesOrderPayment]:
        type_id = references.payment_types[payment.gateway]
        return [one for one in left if one.payment_type_id == type_id and not one.custom.get(field)]

    booked = {
        name: take([one for one in left if one.custom.get(field, "").partition(_PART)[0] == name])
        for name in (payment.transaction_id for payment in payments)
    }
    unpaired = [payment for payment in payments if not booked[payment.transaction_id]]
    for payment in unpaired:
        booked[payment.transaction_id] = take([one for one in alike(payment) if one.amount == payment.amount][:1])
    for payment in unpaired:
        if not booked[payment.transaction_id]:
            booked[payment.transaction_id] = take([one for one in alike(payment) if one.amount < payment.amount][:1])
    return booked


def _overpaid(desired: DesiredOrder, actual: ActualOrder, cost: Decimal, over: Decimal) -> Problem:
    paid = total(payment.amount for payment in desired.payments)
    return Problem(
        kind="overpaid",
        title=f"{over} more was paid for Heartland order {actual.order.public_id} than it costs",
        advice="If the order was edited down, pay the difference back in Shopify; if a payment was taken in the store "
        "too, give that one back. What is not booked in Heartland yet follows by itself should the order grow again.",
        details={
            "heartland_order_id": actual.order.id,
            "cost": str(cost),
            "paid_in_shopify": str(paid),
            "paid_in_heartland": str(total(one.amount for one in actual.payments)),
            "over": str(over),
        },
    )


def absent_payments(operations: Iterable[str], actual: ActualOrder, rules: HeartlandOrderSettings) -> set[str]:
    """Those of these operations that book a payment which Heartland surely does not hold.

    A payment without a mark may be any of them.
    """
    marks = [one.custom.get(rules.transaction_id_field, "") for one in actual.payments]
    there = {_PAYMENT + mark for mark in marks}
    return {name for name in operations if name.startswith(_PAYMENT) and name not in there} if all(marks) else set()


def payment_by_hand(actual: ActualOrder, payment: SalesOrderPayment, why: str) -> Problem:
    return Problem(
        kind="payment_by_hand",
        title=f"A payment of {payment.amount} came in after Heartland order {actual.order.public_id} was closed",
        advice=f"Book it in Heartland by hand. {why}.",
        details={"heartland_order_id": actual.order.id, "amount": str(payment.amount), "custom": dict(payment.custom)},
    )


def refund_problem(order: Order, actual: ActualOrder) -> Problem | None:
    """Refunds are no part of an order's own writing: say what to pay back by hand, of what Heartland holds."""
    refunded = total(refund.amount for refund in order.refunds)
    held = total(one.amount for one in actual.payments)
    # Goods that came back do, whatever Heartland holds; money alone only where Heartland holds more than the shop kept.
    amount = refunded if has_returns(order) else min(refunded, held - (order.paid - refunded))
    if amount <= 0:
        return None
    return Problem(
        kind="refund_by_hand",
        title=f"Shopify refunded {amount} {order.currency} of order {order.name}",
        advice=f"Goods that were invoiced: enter a return over {amount} {order.currency} in Heartland, or check that "
        "it was. Goods that were not: take them off the Heartland order before they are packed.",
        details={"amount": str(amount), "currency": order.currency, "refunds": [refund.id for refund in order.refunds]},
    )
