"""The canonical event: a record at one version, with its source and the notices that led to it."""

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
# An error names at most this many invalid fields.
_ERRORS_AT_MOST = 5


class CanonicalEvent(CanonicalRecord, Generic[R]):
    """The message on topic `canonical.<entity>`.

    `key` is the aggregate's id (the Shopify order id for orders, fulfilments and links). `version` is a
    timestamp of the source's clock, never compared across systems. `lineage` are the ids of the notices that led to it.
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
    """The canonical event in `body`. Raises Rejected with the invalid fields, without their values."""
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        errors = error.errors()[:_ERRORS_AT_MOST]
        fields = (f"{'.'.join(map(str, invalid['loc'])) or 'body'} ({invalid['type']})" for invalid in errors)
        raise Rejected(f"not a canonical {entity}: {', '.join(fields)}") from None


def content_hash(record: CanonicalRecord, *, ignore: frozenset[str] = frozenset()) -> str:
    """A hash of the record without the top-level fields in `ignore`. The order of keys does not matter."""
    plain = record.model_dump(mode="json", exclude=set(ignore))
    return hashlib.sha256(orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)).hexdigest()
