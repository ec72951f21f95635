"""The canonical event: a record as it stood, where it came from, and which notices it stands for."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Generic, TypeVar

import orjson

from shared.canonical.fulfilment import Fulfilment
from shared.canonical.link import Link
from shared.canonical.order import Order, Record

R = TypeVar("R", bound=Record)


class CanonicalEvent(Record, Generic[R]):
    """What travels on `canonical.<entity>`.

    `key` is the aggregate's id (the Shopify order id for orders, fulfilments and links). `version` is the
    source's own clock (never compared across systems). `lineage` holds the ids of the notices this event answers.
    """

    schema_name: str
    connection: str
    entity: str
    source: str
    key: str
    version: datetime
    content_hash: str
    lineage: tuple[str, ...]
    read_at: datetime
    record: R


OrderEvent = CanonicalEvent[Order]
FulfilmentEvent = CanonicalEvent[Fulfilment]
LinkEvent = CanonicalEvent[Link]


def content_hash(record: Record, *, ignore: frozenset[str] = frozenset()) -> str:
    """A hash of what the record says, less the top-level fields in `ignore`; stable over the order of keys."""
    plain = record.model_dump(mode="json", exclude=set(ignore))
    return hashlib.sha256(orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)).hexdigest()


def order_hash(order: Order, namespace: str) -> str:
    """What an order says. Our own metafields do not count: writing them must not look like a change."""
    others = tuple(field for field in order.metafields if field[0] != namespace)
    return content_hash(order.model_copy(update={"metafields": others}), ignore=frozenset({"updated_at"}))
