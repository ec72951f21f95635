"""A notice as it goes into its raw topic: the body's bytes unchanged, everything else in headers.

The headers are those of `Envelope` (a test holds them against it). They are put together here from parts that are made
once per connection and topic, since this runs for every webhook.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from shared.messaging.envelope import Headers, new_traceparent
from shared.messaging.topics import Topic

_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(frozen=True, slots=True)
class Kind:
    """What stays the same for all notices of one connection and one topic of the sender."""

    connection: str
    topic: Topic
    entity: str
    headers: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Notice:
    kind: Kind
    key: bytes
    body: bytes
    headers: Headers


def kind(
    connection: str, topic: Topic, *, entity: str, source: str, happened: str, extra: Sequence[tuple[str, str]]
) -> Kind:
    """`happened` is the sender's own name for it, e.g. `orders/create`."""
    named = (
        ("ce_specversion", "1.0"),
        ("ce_source", source),
        ("ce_type", f"{source}.{happened}"),
        ("content-type", "application/json"),
        ("x-connection", connection),
        ("x-entity", entity),
        ("x-hop", "0"),
        *extra,
    )
    return Kind(connection, topic, entity, tuple((name, value.encode()) for name, value in named))


def notice(
    kind: Kind, *, event_id: bytes, subject: str, time: bytes, trace: str, body: bytes, extra: Headers
) -> Notice:
    """`time` is ISO 8601 with an offset, `trace` a traceparent or empty for a new trace."""
    key = f"{kind.connection}|{subject}".encode()
    headers = [
        *kind.headers,
        ("ce_id", event_id),
        ("ce_time", time),
        ("ce_subject", subject.encode()),
        ("ce_partitionkey", key),
        ("traceparent", (trace or new_traceparent()).encode()),
        *extra,
    ]
    return Notice(kind, key, body, headers)


def valid_trace(given: str | None) -> str:
    """The traceparent of the request if it is one (W3C), else nothing."""
    return given if given and _TRACEPARENT.fullmatch(given) else ""


def moment(given: str | None, now: datetime) -> bytes:
    """The time the sender states, or now: the header is not signed, so nonsense in it must not hurt."""
    try:
        stated = datetime.fromisoformat(given) if given else now
    except ValueError:
        stated = now
    return (stated if stated.tzinfo else stated.replace(tzinfo=UTC)).isoformat().encode()
