"""Repairs enter the one road as notices: the writers do the writing, from what the vendors then hold."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from shared.connectors.heartland import wire
from shared.connectors.heartland.client import HeartlandClient
from shared.connectors.heartland.errors import NotFound
from shared.connectors.heartland.models import Model
from shared.messaging.envelope import Envelope, new_traceparent
from shared.messaging.producer import Producer
from shared.messaging.topics import RAW_HEARTLAND_FULFILMENT, RAW_SHOPIFY_ORDER
from shared.state.drift import Drift

ORDER_NOTICE = "shopify.orders/repair"
INVOICE_NOTICE = "heartland.invoice.repair"
# Where to send it through again changes nothing, even if a person asks for it.
HOPELESS = frozenset(("payment_exceeds", "fulfilment_gone", "shipment_unclear"))
Json = dict[str, Any]


async def repair(
    row: Drift, heartland: HeartlandClient, producer: Producer, now: datetime, told: dict[str, str]
) -> Json:
    """Send the notices for this difference. What undoes it: what the target held, and which notices asked for it.

    `told` are notices by order that were sent a moment ago; an order in it needs no other.
    """
    before = row.undo if row.repairs and row.undo else None
    held = before["held"] if before else await held_now(row, heartland)
    if row.kind == "shipment_missing":
        sent = [await _send_invoice(row, int(number), heartland, producer, now) for number in row.details["invoices"]]
    else:
        if row.key not in told:
            event = order_notice(row, now)
            await producer.send(RAW_SHOPIFY_ORDER, event)
            told[row.key] = event.id
        sent = [told[row.key]]
    return {"held": held, "notices": [*(before["notices"] if before else ()), *sent], "at": now.isoformat()}


async def held_now(row: Drift, heartland: HeartlandClient) -> Json:
    """What the target holds before anything is written: the figures found, and for an order in Heartland its parts.

    Custom fields are left out: people write in them what is nobody's business here.
    """
    number = row.details.get("heartland_id")
    if row.kind == "shipment_missing" or not number:
        return row.details
    try:
        parts: dict[str, Iterable[Model]] = {
            "order": [await heartland.order(int(number))],
            "lines": await heartland.order_lines(int(number)),
            "taxes": await heartland.order_taxes(int(number)),
            "payments": await heartland.order_payments(int(number)),
        }
    except NotFound:
        return row.details
    plain = {name: [one.model_dump(mode="json", exclude={"custom"}) for one in rows] for name, rows in parts.items()}
    return {**row.details, **plain}


def order_notice(row: Drift, now: datetime) -> Envelope:
    """Says that the order is to be read back, and written although it seems to be."""
    return _notice(row, f"repair:{row.id}:{row.repairs + 1}", "shopify", ORDER_NOTICE, "order", b"{}", now)


async def _send_invoice(row: Drift, number: int, heartland: HeartlandClient, producer: Producer, now: datetime) -> str:
    rows = [one async for one in heartland.invoices({"id": number})]
    body = wire.write({"invoice": rows[0], "lines": await heartland.invoice_lines(number)}) if rows else b"{}"
    name = f"repair:{row.id}:{row.repairs + 1}:{number}"
    event = _notice(row, name, "heartland", INVOICE_NOTICE, "fulfilment", body, now)
    if rows:
        await producer.send(RAW_HEARTLAND_FULFILMENT, event)
    return event.id


def _notice(row: Drift, name: str, source: str, kind: str, entity: str, body: bytes, now: datetime) -> Envelope:
    return Envelope(
        id=name,
        source=source,
        type=kind,
        time=now,
        connection=row.connection,
        entity=entity,
        subject=row.key,
        body=body,
        traceparent=new_traceparent(),
        extra={"x-priority": "repair", "x-cause": "drift"},
    )
