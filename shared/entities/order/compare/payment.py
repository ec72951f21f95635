"""Payments: what Shopify took and Heartland does not show, and the other way round, to the cent."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from shared.entities.order.compare.repair import of_the_order
from shared.entities.order.compare.snapshot import Snapshot
from shared.state.drift import Finding

NAME = "payment"


def compare(seen: Snapshot) -> Iterator[Finding]:
    order, there = seen.order, seen.heartland
    if there is None or there.paid is None or seen.known.blocked or order.refunds:
        return  # refunds are booked by hand so far, and take paid sums apart
    if any(tender.money.currency != order.currency for tender in order.tenders):
        return  # what a tender in another currency is worth there is for a person, who was asked
    # Of what was paid above the order's total, Heartland may hold all, a part or nothing: see the writer's plan.
    least = order.paid if there.total is None else min(order.paid, there.total)
    missing = max(least - there.paid, Decimal(0)) or min(order.paid - there.paid, Decimal(0))
    if not missing:
        return
    is_short = missing > 0
    yield Finding(
        connection=seen.connection,
        entity=NAME,
        key=order.id,
        kind="payment_missing" if is_short else "payment_exceeds",
        reason=f"order {order.name} is paid {order.paid} in Shopify and {there.paid} in Heartland",
        at_risk=abs(missing),
        currency=order.currency,
        # Money that only Heartland has was taken by somebody there: no program knows why.
        repairable=is_short,
        details={
            "order": order.name,
            "heartland_id": there.id,
            "shopify": str(order.paid),
            "heartland": str(there.paid),
        },
    )


ENTITY = of_the_order(
    NAME,
    compare,
    advice={
        "payment_exceeds": "Find out who took the money in Heartland, and book it in Shopify or give it back.",
    },
    hopeless=frozenset(("payment_exceeds",)),
)
