"""Transforms tender notices, whose body is the whole tender."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from shared.entities.parts import TransformParts
from shared.messaging.envelope import Envelope, canonical_envelope
from shared.messaging.record import Record, Result, Route
from tests.support.tender.record import Tender, TenderEvent, hash_of
from tests.support.tender.spec import CANONICAL_TENDER, RAW_SHOPIFY_TENDER


def route(parts: TransformParts) -> Route:
    async def handle(records: Sequence[Record]) -> Result:
        notice = records[-1].envelope
        tender = Tender.model_validate({**orjson.loads(notice.body)["tender"], "id": notice.subject})
        await parts.producer.send(CANONICAL_TENDER, _envelope(tender, notice))
        return Result(outcome="published", shopify_id=tender.id)

    return Route(RAW_SHOPIFY_TENDER, handle, "tender", collapse=True)


def _envelope(tender: Tender, notice: Envelope) -> Envelope:
    event = TenderEvent(
        schema_name="tillbridge.tender/1",
        connection=notice.connection,
        entity="tender",
        source="shopify",
        key=tender.id,
        version=tender.updated_at,
        content_hash=hash_of(tender),
        lineage=(notice.id,),
        read_at=tender.updated_at,
        record=tender,
    )
    return canonical_envelope(
        event,
        notice,
        event_id=f"shopify:tender:{tender.id}:{tender.updated_at.isoformat()}",
        source="shopify",
        kind="canonical.tender",
        time=tender.updated_at,
        extra={name: notice.extra[name] for name in ("x-priority", "x-cause") if name in notice.extra},
    )
