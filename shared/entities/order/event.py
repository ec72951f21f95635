"""The canonical events of orders and of their links."""

from __future__ import annotations

from datetime import datetime

from shared.canonical.event import CanonicalEvent, content_hash
from shared.entities.order.link import Link
from shared.entities.order.record import Order

OrderEvent = CanonicalEvent[Order]


LinkEvent = CanonicalEvent[Link]


def order_event(
    order: Order, connection: str, *, namespace: str, read_at: datetime, lineage: tuple[str, ...] = ()
) -> OrderEvent:
    """The event of an order as Shopify states it.

    `namespace` is that of our own metafields: see `order_hash`.
    """
    return OrderEvent(
        schema_name="tillbridge.order/1",
        connection=connection,
        entity="order",
        source="shopify",
        key=order.id,
        version=order.updated_at,
        content_hash=order_hash(order, namespace),
        lineage=lineage,
        read_at=read_at,
        record=order,
    )


def order_hash(order: Order, namespace: str) -> str:
    """The order's content hash, without our own metafields: writing those must not look like a change."""
    others = tuple(field for field in order.metafields if field[0] != namespace)
    return content_hash(order.model_copy(update={"metafields": others}), ignore=frozenset({"updated_at"}))
