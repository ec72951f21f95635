"""Builds the Kafka record of a webhook: the body's bytes unchanged, everything else in headers.

The headers are those of `Envelope` (a test compares them). This runs for every webhook, so the constant headers are
prepared once per connection and webhook topic.
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
class NoticeTemplate:
    """The parts that all notices of one connection and one webhook topic share."""

    connection: str
    topic: Topic
    entity: str
    headers: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class WebhookNotice:
    """A record for a raw topic."""

    template: NoticeTemplate
    key: bytes
    body: bytes
    headers: Headers


def template(
    connection: str, topic: Topic, *, entity: str, source: str, happened: str, extra: Sequence[tuple[str, str]]
) -> NoticeTemplate:
    """Prepare the constant headers. `happened` is the sender's name for the event, e.g. `orders/create`."""
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
    return NoticeTemplate(connection, topic, entity, tuple((name, value.encode()) for name, value in named))


def notice(
    template: NoticeTemplate, *, event_id: bytes, subject: str, time: bytes, trace: str, body: bytes, extra: Headers
) -> WebhookNotice:
    """Build a notice. `time` is ISO 8601 with an offset, `trace` a traceparent or empty for a new trace."""
    key = f"{template.connection}|{subject}".encode()
    headers = [
        *template.headers,
        ("ce_id", event_id),
        ("ce_time", time),
        ("ce_subject", subject.encode()),
        ("ce_partitionkey", key),
        ("traceparent", (trace or new_traceparent()).encode()),
        *extra,
    ]
    return WebhookNotice(template, key, body, headers)


def valid_trace(given: str | None) -> str:
    """The given traceparent if it is valid (W3C), else an empty string."""
    return given if given and _TRACEPARENT.fullmatch(given) else ""


def moment(given: str | None, now: datetime) -> bytes:
    """The time that the sender states, or `now` if it states none or an invalid one.

    The header is not signed, so it may hold anything.
    """
    try:
        stated = datetime.fromisoformat(given) if given else now
    except ValueError:
        stated = now
    return (stated if stated.tzinfo else stated.replace(tzinfo=UTC)).isoformat().encode()
