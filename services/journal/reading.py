"""Reads hops and alerts from Kafka records. Pure.

One value that PostgreSQL cannot store makes the insert of a whole batch fail. So this also checks what the models do
not: the length of indexed texts, the range of numbers and times, and characters.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

from shared.canonical.alert import Alert
from shared.canonical.hop import Hop
from shared.entities.spec import Source, Spec
from shared.errors import Rejected
from shared.messaging.envelope import CAUSE
from shared.messaging.notice import RepairCause
from shared.state.database import clean

INGRESS = "ingress"
# Who publishes the notices of each cause. A person acts by the command line, so its command is named as the service.
SENDERS: dict[RepairCause, str] = {
    "gap": "poller",
    "drift": "reconciler",
    "review": "tillbridge reviews decide",
    "replay": "tillbridge dlq",
    "definitions": "tillbridge settings reapply",
}
# Indexed texts must stay far below the size of an index page.
_LONGEST = 512
_LONGEST_DETAIL = 4_000
_LARGEST = 2**31 - 1
_SHORT = (
    "event_id", "trace_id", "connection", "entity", "key", "service", "outcome", "order_number", "shopify_id",
    "heartland_id",
)  # fmt: skip
_TIMES = ("source_time", "started_at", "finished_at")
Headers = Iterable[tuple[str, bytes]]
_HOPS: TypeAdapter[list[Hop]] = TypeAdapter(list[Hop])


def hops_of_trace(body: bytes | None) -> list[Hop]:
    """The hops in a trace record: a list or, in records of former versions, a single hop. Raises Rejected.

    One invalid hop makes the whole record a dead letter, so that no hop is lost unnoticed.
    """
    body = body or b""
    try:
        is_single = body.lstrip()[:1] == b"{"
        hops = [Hop.model_validate_json(body, strict=True)] if is_single else _HOPS.validate_json(body, strict=True)
    except ValidationError as error:
        raise Rejected(f"not a hop: {_fault(error)}") from None
    if not hops:
        raise Rejected("not a hop: the list is empty")
    return [_storable(hop, size=len(body)) for hop in hops]


def alert_of(body: bytes | None) -> Alert:
    """The alert in an alert record. Raises Rejected with the first invalid field."""
    try:
        alert = Alert.model_validate_json(body or b"", strict=True)
    except ValidationError as error:
        raise Rejected(f"not an alert: {_fault(error)}") from None
    _check_time("at", alert.at)
    if any(len(getattr(alert, name)) > _LONGEST for name in ("kind", "connection", "entity", "key")):
        raise Rejected(f"not an alert: kind, connection, entity or key is longer than {_LONGEST} characters")
    return alert


def hop_of_raw(spec: Spec, source: Source, headers: Headers, timestamp_ms: int) -> Hop:
    """The first hop of an event, built from its raw record.

    The senders of raw records trace nothing themselves. `timestamp_ms` is the Kafka record's timestamp. Raises Rejected
    if the headers are not those of an event.
    """
    named = _named(headers)
    at = datetime.fromtimestamp(timestamp_ms / 1000, UTC)
    try:
        hop = Hop(
            event_id=named["ce_id"],
            trace_id=named.get("traceparent", "").partition("-")[2][:32],
            connection=named["x-connection"],
            entity=named["x-entity"],
            key=named["ce_subject"],
            service=_sender(source, named.get(CAUSE, "")),
            outcome="received",
            source_time=datetime.fromisoformat(named["ce_time"]),
            started_at=at,
            finished_at=at,
            shopify_id=named["ce_subject"] if spec.key_is_shopify_id else "",
            detail=named["ce_type"],
        )
    except KeyError as error:
        raise Rejected(f"the header {error.args[0]} is missing") from None
    except ValueError as error:
        raise Rejected(f"not an event: {error}") from None
    return _storable(hop, size=sum(map(len, named.values())))


def _sender(source: Source, cause: str) -> str:
    """Who published the event. Only webhooks and what a poll found have no cause."""
    for known in get_args(RepairCause):
        if cause == known:
            return SENDERS[known]
    return "poller" if source.poll and not source.webhooks else INGRESS


def _named(headers: Headers) -> dict[str, str]:
    try:
        return {name: value.decode() for name, value in headers}
    except (UnicodeDecodeError, AttributeError):
        raise Rejected("the headers are not text") from None


def _fault(error: ValidationError) -> str:
    """The first validation error, without the value, which may be personal data."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return f"{'.'.join(map(str, first['loc']))} {first['msg']}".strip()


def _storable(hop: Hop, size: int) -> Hop:
    """`hop` with only what the table can store. Raises Rejected.

    No text of the hop is longer than `size`.
    """
    if not 0 <= hop.attempts <= _LARGEST:
        raise Rejected("not a hop: attempts is not a count")
    for name in _TIMES:
        _check_time(name, getattr(hop, name))
    if size > _LONGEST:
        for name in _SHORT:
            if len(getattr(hop, name)) > _LONGEST:
                raise Rejected(f"not a hop: {name} is longer than {_LONGEST} characters")
    changes = _cleaned(hop)
    return hop.model_copy(update=changes) if changes else hop


def _check_time(name: str, at: datetime | None) -> None:
    if at is None or at.tzinfo is UTC:
        return
    if at.tzinfo is None:
        raise Rejected(f"not a hop: {name} has no offset from UTC")
    try:
        at.astimezone(UTC)
    except OverflowError:  # at the edge of the calendar
        raise Rejected(f"not a hop: {name} is out of range") from None


def _cleaned(hop: Hop) -> dict[str, Any]:
    """The texts that must change to be stored, by field; usually none."""
    changes: dict[str, Any] = {}
    for name in (*_SHORT, "detail"):
        text = getattr(hop, name)
        if len(text) > _LONGEST_DETAIL or "\0" in text or not text.isascii():
            changes[name] = clean(text)[:_LONGEST_DETAIL]
    if any("\0" in part for part in hop.lineage):
        changes["lineage"] = tuple(map(clean, hop.lineage))
    return changes
