"""The canonical event: a record at one version, its source, and the notices that it answers."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any, Generic, TypeVar

import orjson
from pydantic import ValidationError

from shared.canonical.record import CanonicalRecord
from shared.errors import Rejected

R = TypeVar("R", bound=CanonicalRecord)
E = TypeVar("E", bound="CanonicalEvent[Any]")
# So many faults of one body are named.
_FAULTS = 5


class CanonicalEvent(CanonicalRecord, Generic[R]):
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


def read_event(kind: type[E], body: bytes, entity: str) -> E:
    """The canonical event in `body`. Raises Rejected for anything else: the faulty fields, without their values."""
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, one['loc'])) or 'body'} ({one['type']})" for one in error.errors()[:_FAULTS])
        raise Rejected(f"not a canonical {entity}: {', '.join(faults)}") from None


def content_hash(record: CanonicalRecord, *, ignore: frozenset[str] = frozenset()) -> str:
    """A hash of what the record says, less the top-level fields in `ignore`; stable over the order of keys."""
    plain = record.model_dump(mode="json", exclude=set(ignore))
    return hashlib.sha256(orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)).hexdigest()
