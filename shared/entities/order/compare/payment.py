"""Compares the payments of an order: the sums in Shopify and Heartland must be equal."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from shared.entities.order.compare.repair import compared_entity
from shared.entities.order.compare.snapshot import OrderSnapshot
from shared.state.drift import Finding

NAME = "payment"


def compare(snapshot: OrderSnapshot) -> Iterator[Finding]:
    order, heartland = snapshot.order, snapshot.heartland
    if heartland is None or heartland.paid is None or snapshot.stored.blocked or order.refunds:
        return  # refunds are booked by hand, which changes the sums
    if any(tender.money.currency != order.currency for tender in order.tenders):
        return  # its amount in the shop's currency is unknown; the writer opened a review for it
    # Of an overpayment, Heartland may hold all, a part or nothing: see to_heartland/payments.py.
    least = order.paid if heartland.total is None else min(order.paid, heartland.total)
    missing = max(least - heartland.paid, Decimal(0)) or min(order.paid - heartland.paid, Decimal(0))
    if not missing:
        return
    is_short = missing > 0
    yield Finding(
        connection=snapshot.connection,
        entity=NAME,
        key=order.id,
        kind="payment_missing" if is_short else "payment_exceeds",
        reason=f"order {order.name} is paid {order.paid} in Shopify and {heartland.paid} in Heartland",
        at_risk=abs(missing),
        currency=order.currency,
        # A payment that only Heartland has was taken in a store: only a person can tell why.
        repairable=is_short,
        details={
            "order": order.name,
            "heartland_id": heartland.id,
            "shopify": str(order.paid),
            "heartland": str(heartland.paid),
        },
    )


ENTITY = compared_entity(
    NAME,
    compare,
    advice={
        "payment_exceeds": "More was paid in Heartland than in Shopify. Find out who took the payment in Heartland; "
        "book it in Shopify, or refund it.",
    },
    unrepairable=frozenset(("payment_exceeds",)),
)
