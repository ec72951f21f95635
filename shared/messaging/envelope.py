"""The envelope of an event: CloudEvents (binary mode) in Kafka headers.

The body's bytes stay unchanged.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from shared.canonical.event import CanonicalEvent
from shared.canonical.priority import PRIORITIES, Priority
from shared.errors import Rejected

Headers = list[tuple[str, bytes]]

# The header with the priority of an event: live (the default), repair or backfill.
PRIORITY = "x-priority"
# Why an event is there that no vendor sent; these ask to write what seems to be written.
CAUSE = "x-cause"
_AGAIN = frozenset(("drift", "review"))
# With which version of the connection's definitions a record is to be written again.
DEFINITIONS = "x-definitions-version"


# Trace ids are no secrets: a generator with a random seed takes a fraction of the time of the system's.
_random = random.Random()  # noqa: S311


def new_traceparent() -> str:
    """A fresh W3C trace context: a new trace, sampled."""
    return f"00-{_random.getrandbits(128):032x}-{_random.getrandbits(64):016x}-01"


def child_traceparent(parent: str) -> str:
    """The same trace with a new span; a fresh trace where `parent` is not one."""
    parts = parent.split("-")
    if len(parts) != 4 or len(parts[1]) != 32:
        return new_traceparent()
    return f"00-{parts[1]}-{_random.getrandbits(64):016x}-{parts[3]}"


def priority_header(priority: Priority) -> dict[str, str]:
    """The header that states a priority; none for live, the default."""
    return {} if priority == "live" else {PRIORITY: priority}


@dataclass(frozen=True, slots=True)
class Envelope:
    """One event. `subject` is the aggregate's id (the order's id for everything about an order).

    `id` identifies the event over retries and replays. `time` is when the source says it happened (aware, UTC).
    `extra` are further headers, carried on unread (`x-shopify-topic`, lineage, ...).
    """

    id: str
    source: str
    type: str
    time: datetime
    connection: str
    entity: str
    subject: str
    body: bytes
    traceparent: str
    content_type: str = "application/json"
    hop: int = 0
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> bytes:
        """The partition key: everything of one aggregate of one connection stays in order."""
        return f"{self.connection}|{self.subject}".encode()

    @property
    def priority(self) -> Priority:
        """The priority of the event; live if the header is absent or unknown."""
        said = self.extra.get(PRIORITY, "live")
        return next((name for name in PRIORITIES if name == said), "live")

    @property
    def asks_again(self) -> bool:
        """Whether it asks to write again what counts as written.

        A difference was found, or a person decided it.
        """
        return self.extra.get(CAUSE) in _AGAIN

    @property
    def reapplied_version(self) -> int:
        """The definitions version to re-apply to a record that was written with another one; 0 for none."""
        version = self.extra.get(DEFINITIONS, "")
        return int(version) if version.isascii() and version.isdigit() else 0

    @property
    def trace_id(self) -> str:
        return self.traceparent.split("-")[1] if self.traceparent.count("-") == 3 else ""

    def headers(self) -> Headers:
        """Kafka headers: CloudEvents binary mode, `traceparent`, and ours with `x-`."""
        connection, subject = self.connection.encode(), self.subject.encode()
        headers: Headers = [
            ("ce_specversion", b"1.0"),
            ("ce_id", self.id.encode()),
            ("ce_source", self.source.encode()),
            ("ce_type", self.type.encode()),
            ("ce_time", self.time.isoformat().encode()),
            ("ce_subject", subject),
            ("ce_partitionkey", b"%b|%b" % (connection, subject)),
            ("content-type", self.content_type.encode()),
            ("traceparent", self.traceparent.encode()),
            ("x-connection", connection),
            ("x-entity", self.entity.encode()),
            ("x-hop", b"%d" % self.hop),
        ]
        headers += [(name, value.encode()) for name, value in self.extra.items() if name not in _OWN]
        return headers


def canonical_envelope(
    event: CanonicalEvent[Any],
    cause: Envelope,
    *,
    event_id: str,
    source: str,
    kind: str,
    time: datetime | None = None,
    extra: Mapping[str, str] | None = None,
) -> Envelope:
    """The envelope of a canonical event that `cause` led to: in the same trace, one hop further.

    `kind` is its CloudEvents type; `time` defaults to that of the cause. `extra` are all its further headers: those of
    the cause are not carried on.
    """
    return Envelope(
        id=event_id,
        source=source,
        type=kind,
        time=time or cause.time,
        connection=event.connection,
        entity=event.entity,
        subject=event.key,
        body=event.model_dump_json().encode(),
        traceparent=child_traceparent(cause.traceparent),
        hop=cause.hop + 1,
        extra=extra or {},
    )


_OWN = {
    "ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "ce_subject", "ce_partitionkey", "content-type",
    "traceparent", "x-connection", "x-entity", "x-hop",
}  # fmt: skip


def header_text(value: bytes | None) -> str:
    """A header as text, for messages; empty for a header without a value, which Kafka allows."""
    return "" if value is None else value.decode("utf-8", "replace")


def read_envelope(headers: Iterable[tuple[str, bytes]], body: bytes | None) -> Envelope:
    """The envelope that a record carries. Raises Rejected, naming what is missing or unreadable."""
    try:
        named = {name: value.decode() for name, value in headers}
        take = named.pop
        take("ce_specversion", None)
        take("ce_partitionkey", None)
        return Envelope(
            id=take("ce_id"),
            source=take("ce_source"),
            type=take("ce_type"),
            time=_aware(take("ce_time")),
            connection=take("x-connection"),
            entity=take("x-entity"),
            subject=take("ce_subject"),
            body=body or b"",
            traceparent=take("traceparent", "") or new_traceparent(),
            content_type=take("content-type", "application/json"),
            hop=int(take("x-hop", "0")),
            extra=named,  # what is left
        )
    except KeyError as error:
        raise Rejected(f"the header {error.args[0]} is missing") from error
    except AttributeError as error:
        raise Rejected("a header has no value") from error
    except ValueError as error:
        raise Rejected(f"the headers cannot be read: {error}") from error


def _aware(text: str) -> datetime:
    """Parse a time with a zone; refuses one without, which could not be compared later."""
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"ce_time has no time zone: {text!r}")
    return time
