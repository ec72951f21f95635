"""Transforms notices of Shopify orders into canonical orders.

A notice only says which order changed. The order is then read from Shopify, since a webhook's body lacks the payments
and may be stale. Waiting notices of one order become one event, whose lineage has all their ids.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

import orjson

from shared.canonical.money import total
from shared.canonical.priority import Priority
from shared.connectors.shopify.paging import Node
from shared.connectors.shopify.values import timestamp
from shared.entities.order.event import OrderEvent, order_event
from shared.entities.order.record import Order
from shared.entities.order.shopify import webhook_body as webhook
from shared.entities.order.shopify.to_canonical import from_shopify
from shared.entities.order.spec import CANONICAL_ORDER, ORDER_REPAIR, RAW_SHOPIFY_ORDER
from shared.entities.parts import TransformParts
from shared.errors import NeedsReview, Rejected, RetryLater
from shared.messaging.envelope import CAUSE, DEFINITIONS, Envelope, canonical_envelope, priority_header
from shared.messaging.kafka.producer import Producer
from shared.messaging.record import Handler, Record, Result, Route, priority_of
from shared.runtime.clock import Clock

UNBALANCED = "order_unbalanced"
ORDER_GONE = "order_gone"
_NAMESPACE = uuid.UUID("6f1b6a3e-33b0-5a52-8c0e-6d2f5a3f6c40")
_ID_DIGITS = 20
# Shopify's reads may lag behind its webhooks: attempts before a missing or stale order is accepted as such.
_STALE_READS = 3
# A new order is looked for longer, parked in between, before a review is opened.
_MISSING_READS = 5


class OrderSource(Protocol):
    """What is used of `shops.Shop`."""

    @property
    def namespace(self) -> str: ...
    @property
    def read_back(self) -> bool: ...
    @property
    def definitions_version(self) -> int: ...
    async def read(self, order_id: str, priority: Priority = "live") -> Node | None: ...


class Resolves(Protocol):
    """What is used of Reviews."""

    async def resolve(self, connection: str, entity: str, key: str, kinds: Iterable[str]) -> object: ...


def route(parts: TransformParts) -> Route:
    """The route of the raw topic: notices of one order collapse into one read."""
    handle = handler(parts.shop_of, parts.producer, parts.reviews, parts.shell.clock)
    return Route(RAW_SHOPIFY_ORDER, handle, "order", collapse=True)


def handler(
    shop_of: Callable[[str], Awaitable[OrderSource]], producer: Producer, reviews: Resolves, clock: Clock
) -> Handler:
    """The handler of notices: it gets all waiting notices of one order, oldest first."""

    async def handle(records: Sequence[Record]) -> Result:
        last = records[-1].envelope
        order_id = subject_of(last)
        shop = await shop_of(last.connection)
        _require_definitions(records, shop)
        order = await read(records, order_id, shop)
        require_balance(order)
        event = canonical(records, order, shop.namespace, clock.now())
        # Before the event is published: otherwise this could close reviews that the writer opens for the event.
        await reviews.resolve(last.connection, "order", order.id, (UNBALANCED, ORDER_GONE, "order_too_long"))
        await producer.send(CANONICAL_ORDER, envelope(event, last, headers_of(records)))
        return Result(
            outcome="published",
            order_number=order.name,
            shopify_id=order.id,
            source_time=last.time,
            lineage=event.lineage,
        )

    return handle


def _require_definitions(records: Sequence[Record], shop: OrderSource) -> None:
    """Raises RetryLater for a re-apply whose settings are not loaded yet.

    The content hash depends on them.
    """
    version = max(record.envelope.reapplied_version for record in records)
    if shop.definitions_version < version:
        raise RetryLater(f"version {version} of the settings is not loaded yet", after=2)


def subject_of(notice: Envelope) -> str:
    """The order's id. Raises Rejected where the subject is not a number."""
    subject = notice.subject
    if not (subject.isascii() and subject.isdigit() and len(subject) <= _ID_DIGITS):
        raise Rejected("the notice has no numeric order id")
    return subject


async def read(records: Sequence[Record], order_id: str, shop: OrderSource) -> Order:
    """The order as it is now. Raises RetryLater, NeedsReview and Rejected."""
    last = records[-1]
    if not shop.read_back and (from_body := _from_body(last.envelope, order_id)):
        return from_body
    node = await shop.read(order_id, priority_of(records))
    if node is None:
        raise _missing(order_id, last)
    order = from_shopify(node)
    notice_times = [at for record in records if (at := updated_at(record.envelope.body))]
    if notice_times and order.updated_at < max(notice_times) and last.attempts < _STALE_READS:
        raise RetryLater("Shopify still returns the order as it was before the notice", after=1)
    return order


def updated_at(body: bytes) -> datetime | None:
    """The `updated_at` of the order in a notice's body; None if the body has none."""
    try:
        order = orjson.loads(body)
        return timestamp(order.get("updated_at")) if "line_items" in order else None
    except (ValueError, TypeError, AttributeError, OverflowError):
        return None


def _from_body(notice: Envelope, order_id: str) -> Order | None:
    """The order in the notice's own body, if that is complete."""
    if not notice.type.startswith("shopify.orders/") or notice.type == ORDER_REPAIR:
        return None
    body = webhook.parse(notice.body)
    return webhook.from_webhook(body) if webhook.is_complete(body) and str(body["id"]) == order_id else None


def _missing(order_id: str, record: Record) -> Exception:
    most_reads = _STALE_READS if record.envelope.type.endswith("/delete") else _MISSING_READS
    if record.attempts < most_reads:
        return RetryLater(f"Shopify does not return order {order_id} yet", after=1)
    return NeedsReview(
        f"Shopify does not return order {order_id}",
        kind=ORDER_GONE,
        advice="Its changes no longer reach Heartland. If it was deleted in Shopify and is in Heartland, cancel it "
        "there. If it is older than 60 days, grant the app the scope read_all_orders.",
        details={"topic": record.envelope.type},
    )


def require_balance(order: Order) -> None:
    """Raises NeedsReview, with the amounts, if the order's parts do not add up to its total."""
    if order.difference == 0:
        return
    raise NeedsReview(
        f"order {order.name} is {order.total} {order.currency}, but its parts add up to {order.computed_total}",
        kind=UNBALANCED,
        advice="The order is not written to Heartland. Compare its lines, discounts and taxes in Shopify with its "
        "total, and enter it in Heartland by hand if needed. After a change that makes it add up, it is written "
        "automatically.",
        details={
            "order": order.name,
            "currency": order.currency,
            "stated": str(order.total),
            "computed": str(order.computed_total),
            "difference": str(order.difference),
            "parts": total_parts(order),
        },
    )


def total_parts(order: Order) -> dict[str, str]:
    """The amounts that the computed total is the sum of, by name."""
    discounts = total(discount.amount for discount in order.order_discounts)
    amounts = {
        "lines": total(line.net for line in order.lines),
        "shipping": total(line.net for line in order.shipping_lines),
        "tax (included)" if order.taxes_included else "tax": order.tax,
        "order discounts": -discounts,
        "tip": order.tip,
        "duties": order.duties,
        "fees": order.fees,
        "rounding": order.rounding,
    }
    return {name: str(amount) for name, amount in amounts.items() if amount}


def canonical(records: Sequence[Record], order: Order, namespace: str, now: datetime) -> OrderEvent:
    """The canonical event of the order, in answer to all these notices."""
    lineage = tuple(dict.fromkeys(record.envelope.id for record in records))
    connection = records[-1].envelope.connection
    return order_event(order, connection, namespace=namespace, read_at=now, lineage=lineage)


def headers_of(records: Sequence[Record]) -> dict[str, str]:
    """The headers that the event takes from its notices: the priority, and the cause of a repair.

    One live notice makes the event live. If one notice asks to write the order again, so does the event.
    """
    caused = [record.envelope for record in records if CAUSE in record.envelope.extra]
    repairs = [notice for notice in caused if notice.asks_again] or caused
    headers = priority_header(priority_of(records)) | ({CAUSE: repairs[-1].extra[CAUSE]} if repairs else {})
    definitions = max(record.envelope.reapplied_version for record in records)
    return headers | {DEFINITIONS: str(definitions)} if definitions else headers


def envelope(event: OrderEvent, notice: Envelope, extra: Mapping[str, str] | None = None) -> Envelope:
    """The event's envelope.

    Its id is derived from the content, so the same state read twice has the same id.
    """
    name = f"{event.connection}|{event.key}|{event.content_hash}|{event.version.isoformat()}"
    return canonical_envelope(
        event,
        notice,
        event_id=str(uuid.uuid5(_NAMESPACE, name)),
        source="tillbridge/transformers",
        kind="tillbridge.order.v1",
        extra=extra,
    )
