"""Fills a gap: every order that changed in it goes onto the one road as a notice, to be read back like any other."""

from __future__ import annotations

from datetime import datetime

from shared.connectors.shopify.paging import Execute
from shared.entities.order.shopify.changed_orders import ChangedOrder, changed_orders
from shared.entities.order.spec import RAW_SHOPIFY_ORDER
from shared.messaging.envelope import Envelope, new_traceparent
from shared.messaging.kafka.producer import Producer

TYPE = "shopify.orders/repair"


def notice(connection: str, order: ChangedOrder) -> Envelope:
    """Says that the order is to be read back. The same change has the same id, however often the gap is filled."""
    return Envelope(
        id=f"gap:{connection}:{order.id}:{order.updated_at.isoformat()}",
        source="shopify",
        type=TYPE,
        time=order.updated_at,
        connection=connection,
        entity="order",
        subject=order.id,
        body=b"{}",
        traceparent=new_traceparent(),
        extra={"x-priority": "repair", "x-cause": "gap"},
    )


async def fill(connection: str, since: datetime, execute: Execute, producer: Producer) -> int:
    """Send a notice for each order changed since then; how many. Raises TargetDown: fill it again, then."""
    sent = 0
    async for order in changed_orders(execute, since):
        await producer.send(RAW_SHOPIFY_ORDER, notice(connection, order))
        sent += 1
    return sent
