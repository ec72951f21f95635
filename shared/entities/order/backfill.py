"""Backfill of orders: publishes a notice for each order that changed while webhooks were missing."""

from __future__ import annotations

from datetime import datetime

from shared.connectors.shopify.paging import Execute
from shared.entities.order.shopify.changed_orders import ChangedOrder, changed_orders
from shared.entities.order.spec import ORDER_REPAIR, RAW_SHOPIFY_ORDER
from shared.messaging.envelope import Envelope
from shared.messaging.kafka.producer import Producer
from shared.messaging.notice import asked_for, notice


def gap_notice(connection: str, order: ChangedOrder) -> Envelope:
    """The notice to read the order again.

    The same change has the same event id, however often it is backfilled.
    """
    return notice(
        event_id=f"gap:{connection}:{order.id}:{order.updated_at.isoformat()}",
        source="shopify",
        kind=ORDER_REPAIR,
        time=order.updated_at,
        connection=connection,
        entity="order",
        subject=order.id,
        extra=asked_for("gap"),
    )


async def backfill(connection: str, since: datetime, execute: Execute, producer: Producer) -> int:
    """Publish a notice for each order changed since `since`. Returns how many.

    Raises TargetDown. The whole backfill may be repeated.
    """
    sent = 0
    async for order in changed_orders(execute, since):
        await producer.send(RAW_SHOPIFY_ORDER, gap_notice(connection, order))
        sent += 1
    return sent
