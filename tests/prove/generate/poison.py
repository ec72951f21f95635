"""Records that can never work, put on the topics as a faulty program would: each must end as one dead letter.

Some are repaired in the end, as an operator would: one of them is an order that nothing else knows of, so that it is in
the books if, and only if, its repaired letter is written.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from random import Random

import orjson

from deploy.local import traffic
from services.cli.sandbox import without_currency
from shared.messaging.envelope import Envelope, new_traceparent
from shared.messaging.topics import (
    CANONICAL_FULFILMENT,
    CANONICAL_ORDER,
    RAW_HEARTLAND_FULFILMENT,
    RAW_SHOPIFY_ORDER,
    Topic,
)
from tests.prove.generate.plan import Json, remark

ENTITY = "poison"
# Numbers that no order of the load has.
FIRST_NUMBER = 900_001


@dataclass(frozen=True, slots=True)
class Kind:
    """`repaired` is a body with which the same record works, and `ends` how it ends then; None where only its sender
    could repair it.
    """

    name: str
    topic: Topic
    service: str
    entity: str
    type: str
    body: bytes
    repaired: bytes | None = None
    ends: str = ""


KINDS = (
    # A draft order's notice: its id names no order.
    Kind("no order", RAW_SHOPIFY_ORDER, "transformers", "order", "shopify.orders/updated", b'{"id":"draft"}'),
    Kind(
        "half an invoice", RAW_HEARTLAND_FULFILMENT, "transformers", "fulfilment", "heartland.invoice",
        b'{"invoice":{"id":7,"status":"pending"}}',
        b'{"invoice":{"id":7,"status":"pending"},"lines":[]}',
        "skipped",
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
# An order's own record, whose currency a faulty program lost. What works is the same one with its currency.
ORDER = Kind("no currency", CANONICAL_ORDER, "heartland_writer", "order", "tillbridge.order.v1", b"", ends="applied")


@dataclass(frozen=True, slots=True)
class Poison:
    """`document` is the order as Shopify's JSON, where the record is one's: the shop gets it when it is repaired."""

    at: float
    kind: Kind
    envelope: Envelope
    document: Json = field(default_factory=dict)

    @property
    def letter(self) -> Json:
        """How its dead letter is known."""
        key = self.envelope.key.decode()
        return {"service": self.kind.service, "topic": self.kind.topic.name, "key": key, "ce_id": self.envelope.id}

    @property
    def details(self) -> Json:
        repaired = None if self.kind.repaired is None else orjson.loads(self.kind.repaired)
        return {
            "kind": self.kind.name,
            "letter": self.letter,
            "repaired": repaired,
            "ends": self.kind.ends,
            "document": self.document,
        }


def plan(seed: int, connection: str, count: int, seconds: float) -> list[Poison]:
    """Every kind in turn, spread over the time."""
    random = Random(f"poison/{seed}")
    makers = [_order, *(partial(_other, kind) for kind in KINDS)]
    return [makers[n % len(makers)]((n + random.random()) * seconds / count, seed, n, connection) for n in range(count)]


def _order(at: float, seed: int, n: int, connection: str) -> Poison:
    document = traffic.order(seed, FIRST_NUMBER + n, datetime.now(UTC)) | remark(1)
    lost = without_currency(document, connection)
    body = orjson.loads(lost.body)
    body["record"]["currency"] = document["currency"]
    kind = replace(ORDER, body=lost.body, repaired=orjson.dumps(body))
    return Poison(at, kind, replace(lost, id=f"poison-{seed}-{n}", source="proof"), document)


def _other(kind: Kind, at: float, seed: int, n: int, connection: str) -> Poison:
    return Poison(at, kind, _envelope(kind, connection, f"{seed}-{n}"))


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
