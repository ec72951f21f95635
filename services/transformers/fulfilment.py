"""Heartland invoices of our orders become canonical fulfilments.

The poller's notice carries the invoice and its lines as read; what is added here is the SKU of each item.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from shared.canonical.events import FulfilmentEvent, content_hash
from shared.canonical.fulfilment import Fulfilment
from shared.connectors.heartland import wire
from shared.connectors.heartland.client import HeartlandClient
from shared.connectors.heartland.clients import Heartland, HeartlandClients
from shared.connectors.heartland.fulfilment import from_heartland, is_completed, shipped_items
from shared.connectors.heartland.settings import HeartlandSettings
from shared.errors import Rejected
from shared.messaging.envelope import Envelope, child_traceparent
from shared.messaging.producer import Producer
from shared.messaging.record import Handler, Record, Result
from shared.messaging.topics import CANONICAL_FULFILMENT
from shared.runtime.clock import Clock

_SCHEMA = "tillbridge.fulfilment/1"
_NAMESPACE = uuid.UUID("5b6ed6f1-6f0c-5d1c-9a53-3f1d2c0f7a11")


class Skus:
    """SKUs of Heartland's items, remembered: an item's number is the one thing of it that must never change."""

    def __init__(self, heartland: HeartlandClient) -> None:
        self._heartland = heartland
        self._known: dict[str, str] = {}

    async def of(self, items: Iterable[str]) -> Mapping[str, str]:
        """Item id -> SKU. Raises Rejected for an item that Heartland does not have."""
        wanted = list(items)
        unknown = [int(item) for item in wanted if item not in self._known]
        if unknown:
            found = await self._heartland.items_by_id(unknown)
            self._known.update({str(item_id): item.public_id for item_id, item in found.items()})
        missing = [item for item in wanted if item not in self._known]
        if missing:
            raise Rejected(f"the invoice ships items that Heartland does not list: {', '.join(missing)}")
        return self._known


def read_notice(body: bytes) -> tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]]:
    """The invoice and its lines. Raises Rejected for what is neither."""
    try:
        notice = wire.read(body)
        invoice, lines = notice["invoice"], notice["lines"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Rejected(f"the notice is not an invoice with its lines: {error!r}") from error
    if not isinstance(invoice, dict) or not isinstance(lines, list) or not all(isinstance(row, dict) for row in lines):
        raise Rejected("the notice is not an invoice with its lines")
    return invoice, lines


def canonical(record: Record, fulfilment: Fulfilment, clock: Clock) -> FulfilmentEvent:
    return FulfilmentEvent(
        schema_name=_SCHEMA,
        connection=record.envelope.connection,
        entity="fulfilment",
        source="heartland",
        key=fulfilment.order_id,
        version=fulfilment.completed_at,
        content_hash=content_hash(fulfilment),
        lineage=(record.envelope.id,),
        read_at=clock.now(),
        record=fulfilment,
    )


def envelope(event: FulfilmentEvent, notice: Envelope) -> Envelope:
    """The same invoice with the same content is the same event, however often it is seen."""
    name = f"{event.connection}|{event.record.id}|{event.content_hash}"
    return Envelope(
        id=str(uuid.uuid5(_NAMESPACE, name)),
        source="tillbridge/transformers",
        type="tillbridge.fulfilment.v1",
        time=notice.time,
        connection=event.connection,
        entity="fulfilment",
        subject=event.key,
        body=event.model_dump_json().encode(),
        traceparent=child_traceparent(notice.traceparent),
        hop=notice.hop + 1,
    )


def handler(clients: HeartlandClients, producer: Producer, clock: Clock) -> Handler:
    """The handler of invoice notices. Facts come one at a time."""
    known: dict[str, tuple[Heartland, Skus]] = {}

    async def handle(records: Sequence[Record]) -> Result:
        record = records[-1]
        heartland = clients.get(record.envelope.connection)
        kept = known.get(record.envelope.connection)
        if kept is None or kept[0] is not heartland:
            kept = known[record.envelope.connection] = (heartland, Skus(heartland.client))
        return await translate(record, kept[1], heartland.rules, producer, clock)

    return handle


async def translate(
    record: Record, heartland_skus: Skus, rules: HeartlandSettings, producer: Producer, clock: Clock
) -> Result:
    """Publish the fulfilment in the notice; an invoice that is not final, or ships nothing, ends here."""
    invoice, lines = read_notice(record.envelope.body)
    if not is_completed(invoice):
        return Result(outcome="skipped", detail="the invoice is not complete")
    skus = await heartland_skus.of(shipped_items(lines))
    fulfilment = from_heartland(invoice, lines, skus, record.envelope.subject, rules)
    if not fulfilment.lines:
        return Result(outcome="skipped", detail=f"invoice {fulfilment.id} ships no goods")
    event = canonical(record, fulfilment, clock)
    await producer.send(CANONICAL_FULFILMENT, envelope(event, record.envelope))
    return Result(
        outcome="published",
        shopify_id=fulfilment.order_id,
        heartland_id=fulfilment.heartland_order_id,
        detail=f"invoice {fulfilment.id}",
    )
