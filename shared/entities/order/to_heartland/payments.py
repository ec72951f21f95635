"""Plans which payments are booked in Heartland, and which must be handled by a person. Pure."""

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
# A payment that is booked in parts: `<transaction id>`, `<transaction id>/2`, `<transaction id>/3`, ...
_PART_SEPARATOR = "/"


def payment_steps(
    desired: DesiredOrder, references: References, actual: ActualOrder, settings: HeartlandOrderSettings, cost: Decimal
) -> tuple[list[AddPayment], list[Problem]]:
    """Books the missing amount of each payment, but no more than is owed of `cost` in Heartland.

    More may have been paid, if the order was edited down after its payment. If its total grows again later, the rest is
    booked as a further part of the same payment, unless it was refunded in the meantime.
    """
    booked = _match_payments(desired.payments, references, actual.payments, settings)
    missing = {
        payment.transaction_id: payment.amount - total(part.amount for part in booked[payment.transaction_id])
        for payment in desired.payments
    }
    unbooked = [payment for payment in desired.payments if not booked[payment.transaction_id]]
    # Not cash: what was handed over beyond the order's total was given back as change.
    partly_booked = [
        payment
        for payment in desired.payments
        if payment not in unbooked and not payment.cash and missing[payment.transaction_id] > 0
    ]
    rest = max(total(missing[payment.transaction_id] for payment in partly_booked) - desired.refunded, Decimal(0))
    owed = max(cost - total(payment.amount for payment in actual.payments), Decimal(0))
    steps, not_bookable = [], Decimal(0)
    for payment in (*unbooked, *partly_booked):
        most = owed if payment in unbooked else min(owed, rest)
        name = payment.transaction_id
        amount = min(missing[name], most) if settings.payments_within_balance else missing[name]
        owed -= amount
        not_bookable += missing[name] - amount
        if amount:
            part = replace(payment, amount=amount)
            steps.append(_book(part, len(booked[name]), references.payment_types[payment.gateway], settings))
    over = max(not_bookable, total(payment.amount for payment in desired.payments) - cost) - desired.refunded
    return steps, [_overpaid(desired, actual, cost, over)] if over > 0 else []


def _book(payment: DesiredPayment, parts_before: int, type_id: int, settings: HeartlandOrderSettings) -> AddPayment:
    name = payment.transaction_id + (f"{_PART_SEPARATOR}{parts_before + 1}" if parts_before else "")
    body = {
        "type": "CustomPayment",
        "payment_type_id": type_id,
        "amount": payment.amount,
        "deposit": True,  # taken before anything is invoiced
        "custom": {settings.transaction_id_field: name},
    }
    return AddPayment(_PAYMENT + name, name, body)


def _match_payments(
    payments: Sequence[DesiredPayment],
    references: References,
    actual: Sequence[SalesOrderPayment],
    settings: HeartlandOrderSettings,
) -> dict[str, list[SalesOrderPayment]]:
    """The booked parts of each payment, by transaction id; without one, by type and amount or less."""
    field, unmatched = settings.transaction_id_field, list(actual)

    def take(found: list[SalesOrderPayment]) -> list[SalesOrderPayment]:
        for payment in found:
            unmatched.remove(payment)
        return found

    def same_type(payment: DesiredPayment) -> list[SalesOrderPayment]:
        type_id = references.payment_types[payment.gateway]
        return [other for other in unmatched if other.payment_type_id == type_id and not other.custom.get(field)]

    booked = {
        name: take([part for part in unmatched if part.custom.get(field, "").partition(_PART_SEPARATOR)[0] == name])
        for name in (payment.transaction_id for payment in payments)
    }
    without_id = [payment for payment in payments if not booked[payment.transaction_id]]
    for payment in without_id:
        booked[payment.transaction_id] = take(
            [other for other in same_type(payment) if other.amount == payment.amount][:1]
        )
    for payment in without_id:
        if not booked[payment.transaction_id]:
            booked[payment.transaction_id] = take(
                [other for other in same_type(payment) if other.amount < payment.amount][:1]
            )
    return booked


def _overpaid(desired: DesiredOrder, actual: ActualOrder, cost: Decimal, over: Decimal) -> Problem:
    paid = total(payment.amount for payment in desired.payments)
    return Problem(
        kind="overpaid",
        title=f"Heartland order {actual.order.public_id} is overpaid by {over}",
        advice="The customer paid more than the order costs. If the order was edited down, refund the difference in "
        "Shopify; if the store took a payment too, refund that one. A payment that is not booked in Heartland yet is "
        "booked automatically if the order's total grows again.",
        details={
            "heartland_order_id": actual.order.id,
            "cost": str(cost),
            "paid_in_shopify": str(paid),
            "paid_in_heartland": str(total(payment.amount for payment in actual.payments)),
            "over": str(over),
        },
    )


def absent_payments(operations: Iterable[str], actual: ActualOrder, settings: HeartlandOrderSettings) -> set[str]:
    """Those of the operations whose payment is certainly not in Heartland.

    None if Heartland holds a payment without transaction id: it may be any of them.
    """
    names = [payment.custom.get(settings.transaction_id_field, "") for payment in actual.payments]
    if not all(names):
        return set()
    booked = {_PAYMENT + name for name in names}
    return {operation for operation in operations if operation.startswith(_PAYMENT) and operation not in booked}


def payment_by_hand(actual: ActualOrder, payment: SalesOrderPayment, refusal: str) -> Problem:
    """The review of a payment that Heartland refuses since the order is closed."""
    return Problem(
        kind="payment_by_hand",
        title=f"A payment of {payment.amount} is missing on Heartland order {actual.order.public_id}, which is closed",
        advice="The order was paid in Shopify after it was closed in Heartland. Book the payment in Heartland by hand. "
        f"{refusal}.",
        details={"heartland_order_id": actual.order.id, "amount": str(payment.amount), "custom": dict(payment.custom)},
    )


def refund_problem(order: Order, actual: ActualOrder) -> Problem | None:
    """The review of refunds, which are not written with the order: what a person must enter in Heartland."""
    refunded = total(refund.amount for refund in order.refunds)
    held = total(payment.amount for payment in actual.payments)
    # If goods were returned, the whole refund counts. Otherwise only what Heartland holds beyond what the shop kept.
    amount = refunded if has_returns(order) else min(refunded, held - (order.paid - refunded))
    if amount <= 0:
        return None
    return Problem(
        kind="refund_by_hand",
        title=f"{amount} {order.currency} of order {order.name} was refunded in Shopify",
        advice="The refund is not written to Heartland. If the goods were invoiced there, check that a return of "
        f"{amount} {order.currency} was entered, or enter it. If not, remove the goods from the Heartland order before "
        "they are packed.",
        details={"amount": str(amount), "currency": order.currency, "refunds": [refund.id for refund in order.refunds]},
    )
