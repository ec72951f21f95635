"""Records that can never work, put on the topics as a faulty program would: each must end as one dead letter."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random

import orjson

from shared.messaging.envelope import Envelope, new_traceparent
from shared.messaging.topics import (
    CANONICAL_FULFILMENT,
    CANONICAL_ORDER,
    RAW_HEARTLAND_FULFILMENT,
    RAW_SHOPIFY_ORDER,
    Topic,
)
from tests.prove.generate.plan import Json

ENTITY = "poison"


@dataclass(frozen=True, slots=True)
class Kind:
    """`repaired` is a body with which the same record works; None where only its sender could repair it."""

    name: str
    topic: Topic
    service: str
    entity: str
    type: str
    body: bytes
    repaired: bytes | None = None


KINDS = (
    # A draft order's notice: its id names no order.
    Kind("no order", RAW_SHOPIFY_ORDER, "transformers", "order", "shopify.orders/updated", b'{"id":"draft"}'),
    Kind(
        "half an invoice", RAW_HEARTLAND_FULFILMENT, "transformers", "fulfilment", "heartland.invoice",
        b'{"invoice":{"id":7,"status":"pending"}}',
        b'{"invoice":{"id":7,"status":"pending"},"lines":[]}',
    ),
    Kind(
        "a future schema", CANONICAL_ORDER, "heartland_writer", "order", "tillbridge.order.v9",
        b'{"schema_name":"tillbridge.order/9","essence":{}}',
    ),
    Kind(
        "not JSON", CANONICAL_FULFILMENT, "shopify_writer", "fulfilment", "tillbridge.fulfilment.v1",
        b'{"schema_name":"tillbridge.fulfilm',
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Poison:
    at: float
    kind: Kind
    envelope: Envelope

    @property
    def letter(self) -> Json:
        """How its dead letter is known."""
        key = self.envelope.key.decode()
        return {"service": self.kind.service, "topic": self.kind.topic.name, "key": key, "ce_id": self.envelope.id}

    @property
    def details(self) -> Json:
        repaired = None if self.kind.repaired is None else orjson.loads(self.kind.repaired)
        return {"kind": self.kind.name, "letter": self.letter, "repaired": repaired}


def plan(seed: int, connection: str, count: int, seconds: float) -> list[Poison]:
    """Every kind in turn, spread over the time."""
    random = Random(f"poison/{seed}")
    return [
        Poison((n + random.random()) * seconds / count, kind, _envelope(kind, connection, f"{seed}-{n}"))
        for n in range(count)
        for kind in [KINDS[n % len(KINDS)]]
    ]


def _envelope(kind: Kind, connection: str, name: str) -> Envelope:
    return Envelope(
        id=f"poison-{name}",
        source="proof",
        type=kind.type,
        time=datetime.now(UTC),
        connection=connection,
        entity=kind.entity,
        subject=f"poison-{name}",
        body=kind.body,
        traceparent=new_traceparent(),
    )
