"""Shipments: completed in Heartland and not fulfilled in Shopify, or fulfilled by us and gone there. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from services.reconciler.snapshot import Snapshot
from shared.state.drift import Finding

ENTITY = "fulfilment"


def compare(seen: Snapshot) -> Iterator[Finding]:
    order, there = seen.order, seen.heartland
    if there is None:
        return
    missing = [invoice for invoice in there.invoices if invoice not in seen.known.shipped]
    if missing:
        yield Finding(
            connection=seen.connection,
            entity=ENTITY,
            key=order.id,
            kind="shipment_missing",
            reason=f"order {order.name} was shipped (invoice {', '.join(missing)}), and Shopify does not know",
            details={"order": order.name, "heartland_id": there.id, "invoices": missing},
        )
    elif seen.shipped is not None and order.cancelled_at is None and seen.shipped < sum(seen.known.shipped.values()):
        yield Finding(
            connection=seen.connection,
            entity=ENTITY,
            key=order.id,
            kind="fulfilment_gone",
            reason=f"a fulfilment of order {order.name} was cancelled in Shopify, and Heartland has shipped the goods",
            # Whether the goods left or not, only the store knows.
            repairable=False,
            details={"order": order.name, "heartland_id": there.id, "shopify_units": seen.shipped},
        )
