"""From Kafka records to hops. Pure, and cheap: six hops for every order pass here, so no model validates them.

What is checked is what would break the insert of a whole batch: types, the length of what is indexed, the range of
numbers, characters that PostgreSQL cannot hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from shared.canonical.hop import Hop
from shared.errors import Rejected
from shared.messaging.topics import RAW_HEARTLAND_FULFILMENT, Topic
from shared.state.database import clean

# What is indexed must stay far below the size of an index page.
_LONGEST = 512
_LARGEST = 2**31 - 1
_LONGEST_DETAIL = 4_000
Headers = Iterable[tuple[str, bytes]]


def hop_of_trace(body: bytes | None) -> Hop:
    """The hop in a trace record. Raises Rejected, naming what cannot be read."""
    value = _object(body)
    try:
        return Hop.model_construct(
            event_id=_short(value, "event_id"),
            trace_id=_short(value, "trace_id"),
            connection=_short(value, "connection"),
            entity=_short(value, "entity"),
            key=_short(value, "key"),
            service=_short(value, "service"),
            outcome=_short(value, "outcome"),
            attempts=_count(value.get("attempts", 1)),
            source_time=_time(value, "source_time") if value.get("source_time") else None,
            started_at=_time(value, "started_at"),
            finished_at=_time(value, "finished_at"),
            order_number=_short(value, "order_number", ""),
            shopify_id=_short(value, "shopify_id", ""),
            heartland_id=_short(value, "heartland_id", ""),
            detail=clean(_text(value, "detail", ""))[:_LONGEST_DETAIL],
            lineage=tuple(_lineage(value.get("lineage") or ())),
        )
    except KeyError as error:
        raise Rejected(f"the hop has no {error.args[0]}") from None


def hop_of_raw(topic: Topic, headers: Headers, timestamp_ms: int) -> Hop:
    """The first hop of an event, from its raw record: ingress and the poller trace nothing themselves.

    The time is the record's own: when the broker had it. Raises Rejected where the headers are not an event's.
    """
    named = _named(headers)
    at = datetime.fromtimestamp(timestamp_ms / 1000, UTC)
    try:
        subject, entity = _short(named, "ce_subject"), _short(named, "x-entity")
        return Hop.model_construct(
            event_id=_short(named, "ce_id"),
            trace_id=named.get("traceparent", "").partition("-")[2][:32],
            connection=_short(named, "x-connection"),
            entity=entity,
            key=subject,
            service="poller" if topic is RAW_HEARTLAND_FULFILMENT else "ingress",
            outcome="received",
            attempts=1,
            source_time=_time(named, "ce_time"),
            started_at=at,
            finished_at=at,
            order_number="",
            shopify_id=subject if entity == "order" else "",
            heartland_id="",
            detail=_short(named, "ce_type"),
            lineage=(),
        )
    except KeyError as error:
        raise Rejected(f"the header {error.args[0]} is missing") from None


def _object(body: bytes | None) -> dict[str, Any]:
    try:
        value = orjson.loads(body or b"")
    except orjson.JSONDecodeError:
        raise Rejected("the hop is not JSON") from None
    if not isinstance(value, dict):
        raise Rejected("the hop is not a JSON object")
    return value


def _named(headers: Headers) -> dict[str, str]:
    try:
        return {name: value.decode() for name, value in headers}
    except (UnicodeDecodeError, AttributeError):
        raise Rejected("the headers are not text") from None


def _text(value: Mapping[str, Any], name: str, default: str | None = None) -> str:
    found = value[name] if default is None else value.get(name, default)
    if type(found) is not str:
        raise Rejected(f"{name} is not text")
    return found


def _short(value: Mapping[str, Any], name: str, default: str | None = None) -> str:
    found = _text(value, name, default)
    if len(found) > _LONGEST:
        raise Rejected(f"{name} is longer than {_LONGEST} characters")
    return clean(found)


def _time(value: Mapping[str, Any], name: str) -> datetime:
    try:
        at = datetime.fromisoformat(_text(value, name))
        # Brought to UTC here, since at the edge of the calendar that fails.
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise Rejected(f"{name} is not a time") from None


def _count(value: object) -> int:
    if type(value) is not int or not 0 <= value <= _LARGEST:
        raise Rejected("attempts is not a count")
    return value


def _lineage(value: object) -> list[str]:
    if not isinstance(value, list | tuple) or not all(type(part) is str for part in value):
        raise Rejected("lineage is not a list of ids")
    return [clean(part) for part in value]
