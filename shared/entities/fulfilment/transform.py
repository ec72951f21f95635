"""Transforms notices of Heartland invoices into canonical fulfilments.

A notice has the invoice and its lines as the poller read them; the SKU of each item is added here.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from shared.canonical.event import content_hash
from shared.canonical.priority import Priority
from shared.connectors.heartland import decimal_json
from shared.connectors.heartland.client import HeartlandClient
from shared.connectors.heartland.clients import HeartlandClients, HeartlandConnection
from shared.connectors.heartland.timestamps import changed_at
from shared.entities.fulfilment.event import FulfilmentEvent
from shared.entities.fulfilment.heartland import from_heartland, is_completed, shipped_items
from shared.entities.fulfilment.record import Fulfilment
from shared.entities.fulfilment.shipment_settings import ShipmentSettings, shipment_settings
from shared.entities.fulfilment.spec import CANONICAL_FULFILMENT, RAW_HEARTLAND_FULFILMENT
from shared.entities.order.heartland.items import items_by_id
from shared.entities.parts import TransformParts
from shared.errors import Rejected, RetryLater
from shared.limits.call_context import LIVE, CallContext
from shared.messaging.envelope import Envelope, canonical_envelope, priority_header
from shared.messaging.kafka.producer import Producer
from shared.messaging.record import Handler, Record, Result, Route, context_of
from shared.runtime.clock import Clock

_SCHEMA = "tillbridge.fulfilment/1"
_NAMESPACE = uuid.UUID("5b6ed6f1-6f0c-5d1c-9a53-3f1d2c0f7a11")
_CACHE_SECONDS = 600.0
_CACHED_ITEMS_AT_MOST = 10_000


class Skus:
    """SKUs of Heartland's items, cached for ten minutes, since a store may correct an item's SKU."""

    def __init__(self, heartland: HeartlandClient, clock: Clock) -> None:
        self._heartland = heartland
        self._clock = clock
        self._cached: dict[int, str] = {}
        self._cached_since = clock.monotonic()

    async def of(self, items: Iterable[int], context: CallContext = LIVE) -> Mapping[int, str]:
        """Item id -> SKU. Raises RetryLater for an item that Heartland does not list."""
        self._expire()
        item_ids = list(items)
        skus = {item_id: self._cached[item_id] for item_id in item_ids if item_id in self._cached}
        uncached = [item_id for item_id in item_ids if item_id not in skus]
        if uncached:
            read = await items_by_id(self._heartland, uncached, context)
            read_skus = {number: item.public_id for number, item in read.items()}
            self._cached |= read_skus
            skus |= read_skus
        missing = [str(item_id) for item_id in item_ids if item_id not in skus]
        if missing:
            raise RetryLater(f"the invoice ships items that Heartland does not list: {', '.join(missing)}")
        return skus

    def _expire(self) -> None:
        now = self._clock.monotonic()
        if now - self._cached_since > _CACHE_SECONDS or len(self._cached) > _CACHED_ITEMS_AT_MOST:
            self._cached, self._cached_since = {}, now


def read_notice(body: bytes) -> tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]]:
    """The invoice and its lines in a notice. Raises Rejected for any other body."""
    try:
        notice = decimal_json.loads(body)
        invoice, lines = notice["invoice"], notice["lines"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Rejected(f"the notice is not an invoice with its lines: {error!r}") from error
    if not isinstance(invoice, dict) or not isinstance(lines, list) or not all(isinstance(row, dict) for row in lines):
        raise Rejected("the notice is not an invoice with its lines")
    return invoice, lines


def canonical(record: Record, fulfilment: Fulfilment, version: datetime, clock: Clock) -> FulfilmentEvent:
    return FulfilmentEvent(
        schema_name=_SCHEMA,
        connection=record.envelope.connection,
        entity="fulfilment",
        source="heartland",
        key=fulfilment.order_id,
        version=version,
        content_hash=content_hash(fulfilment),
        lineage=(record.envelope.id,),
        read_at=clock.now(),
        record=fulfilment,
    )


def envelope(event: FulfilmentEvent, notice: Envelope, priority: Priority = "live") -> Envelope:
    """The event's envelope.

    Its id is derived from invoice, version and content, so a duplicate has the same id.
    """
    name = f"{event.connection}|{event.record.id}|{event.version.isoformat()}|{event.content_hash}"
    return canonical_envelope(
        event,
        notice,
        event_id=str(uuid.uuid5(_NAMESPACE, name)),
        source="tillbridge/transformers",
        kind="tillbridge.fulfilment.v1",
        extra=priority_header(priority),
    )


def route(parts: TransformParts) -> Route:
    """The route of the raw topic. Each invoice is a separate fact, so notices do not collapse."""
    handle = handler(parts.heartland, parts.producer, parts.shell.clock)
    return Route(RAW_HEARTLAND_FULFILMENT, handle, "fulfilment", collapse=False)


def handler(clients: HeartlandClients, producer: Producer, clock: Clock) -> Handler:
    """The handler of invoice notices, one at a time, since each invoice is a separate fact."""
    accounts: dict[str, tuple[HeartlandConnection, Skus, ShipmentSettings]] = {}

    async def handle(records: Sequence[Record]) -> Result:
        record = records[-1]
        name = record.envelope.connection
        heartland = clients.get(name)
        if name not in accounts or accounts[name][0] is not heartland:
            accounts[name] = (heartland, Skus(heartland.client, clock), shipment_settings(heartland))
        _, skus, settings = accounts[name]
        return await transform(record, skus, settings, producer, clock)

    return handle


async def transform(record: Record, skus: Skus, settings: ShipmentSettings, producer: Producer, clock: Clock) -> Result:
    """Publish the fulfilment in the notice. An invoice that is not completed or ships no goods is skipped."""
    invoice, lines = read_notice(record.envelope.body)
    if not is_completed(invoice):
        return Result(outcome="skipped", detail="the invoice is not complete")
    items = await skus.of(shipped_items(lines), context_of([record]))
    fulfilment = from_heartland(invoice, lines, items, record.envelope.subject, settings)
    if not fulfilment.lines:
        return Result(outcome="skipped", detail=f"invoice {fulfilment.id} ships no goods")
    event = canonical(record, fulfilment, version_of(invoice), clock)
    await producer.send(CANONICAL_FULFILMENT, envelope(event, record.envelope, record.priority))
    return Result(
        outcome="published",
        shopify_id=fulfilment.order_id,
        heartland_id=fulfilment.heartland_order_id,
        detail=f"invoice {fulfilment.id}",
    )


def version_of(invoice: Mapping[str, Any]) -> datetime:
    try:
        return changed_at(invoice)
    except ValueError as error:
        raise Rejected("the Heartland invoice has no timestamp of its last change") from error
