"""The canonical link event: tells the Shopify writer which Heartland order belongs to a Shopify order."""

from __future__ import annotations

from datetime import datetime

from shared.canonical.event import content_hash
from shared.canonical.priority import Priority
from shared.entities.order.event import LinkEvent, OrderEvent
from shared.entities.order.heartland.orders import SalesOrder
from shared.entities.order.link import Link
from shared.messaging.envelope import Envelope, canonical_envelope, priority_header


def link_event(
    sales_order: SalesOrder, event: OrderEvent, cause: Envelope, priority: Priority, now: datetime
) -> Envelope:
    """The link of the order in `event` with `sales_order`. `cause` is the envelope of `event`."""
    link = Link(
        entity="order",
        shopify_id=event.record.id,
        heartland_id=str(sales_order.id),
        heartland_public_id=sales_order.public_id,
        linked_at=now,
    )
    body = LinkEvent(
        schema_name="tillbridge.link/1",
        connection=event.connection,
        entity="link",
        source="heartland",
        key=event.key,
        version=link.linked_at,
        content_hash=content_hash(link, ignore=frozenset({"linked_at"})),
        lineage=(cause.id,),
        read_at=link.linked_at,
        record=link,
    )
    return canonical_envelope(
        body,
        cause,
        event_id=f"heartland:order:{link.heartland_id}:link",
        source="heartland",
        kind="canonical.link",
        time=link.linked_at,
        extra=priority_header(priority),
    )
