"""Reads hops and alerts from Kafka records. Pure.

Beyond the model it checks what would make the insert of a whole batch fail: the length of indexed texts, the range of
numbers and times, and characters that PostgreSQL cannot store.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from shared.canonical.alert import Alert
from shared.canonical.hop import Hop
from shared.entities.spec import Source, Spec
from shared.errors import Rejected
from shared.state.database import clean

# What is indexed must stay far below the size of an index page.
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
    """The hops in a trace record: a list of them, or (records of former versions) one. Raises Rejected.

    One that cannot be read makes the whole record unreadable, so that none is dropped in silence.
    """
    body = body or b""
    try:
        alone = body.lstrip()[:1] == b"{"
        hops = [Hop.model_validate_json(body, strict=True)] if alone else _HOPS.validate_json(body, strict=True)
    except ValidationError as error:
        raise Rejected(f"not a hop: {_fault(error)}") from None
    if not hops:
        raise Rejected("not a hop: the list is empty")
    return [_storable(hop, size=len(body)) for hop in hops]


def alert_of(body: bytes | None) -> Alert:
    """The alert in an alert record. Raises Rejected, saying what cannot be read."""
    try:
        alert = Alert.model_validate_json(body or b"", strict=True)
    except ValidationError as error:
        raise Rejected(f"not an alert: {_fault(error)}") from None
    _check_time("at", alert.at)
    if any(len(getattr(alert, name)) > _LONGEST for name in ("kind", "connection", "entity", "key")):
        raise Rejected(f"not an alert: what names it is longer than {_LONGEST} characters")
    return alert


def hop_of_raw(spec: Spec, source: Source, headers: Headers, timestamp_ms: int) -> Hop:
    """The first hop of an event, from its raw record: ingress and the poller trace nothing themselves.

    The time is the record's own: when the broker had it. Raises Rejected where the headers are not an event's.
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
            service=_sender(source, named.get("x-cause", "")),
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
    """The service that published the event to its raw topic: repairs name their cause."""
    pushed = "poller" if source.poll and not source.webhooks else "ingress"
    return {"gap": "poller", "drift": "reconciler"}.get(cause, pushed)


def _named(headers: Headers) -> dict[str, str]:
    try:
        return {name: value.decode() for name, value in headers}
    except (UnicodeDecodeError, AttributeError):
        raise Rejected("the headers are not text") from None


def _fault(error: ValidationError) -> str:
    """The first validation error, without the value, which may be personal."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return f"{'.'.join(map(str, first['loc']))} {first['msg']}".strip()


def _storable(hop: Hop, size: int) -> Hop:
    """`hop` as the table can hold it; `size` is an upper bound of any of its texts. Raises Rejected."""
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
    """Changed fields; usually none."""
    changes: dict[str, Any] = {}
    for name in (*_SHORT, "detail"):
        text = getattr(hop, name)
        if len(text) > _LONGEST_DETAIL or "\0" in text or not text.isascii():
            changes[name] = clean(text)[:_LONGEST_DETAIL]
    if any("\0" in part for part in hop.lineage):
        changes["lineage"] = tuple(map(clean, hop.lineage))
    return changes
