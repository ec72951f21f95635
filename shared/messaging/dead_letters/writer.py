"""Writes dead letters: records that failed for good, unchanged, with their origin and the reason."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version

from shared.errors import Misconfigured
from shared.messaging.envelope import Headers, header_text
from shared.messaging.kafka.producer import Producer
from shared.messaging.record import Record, Unreadable
from shared.runtime.logging import masked


@dataclass(frozen=True, slots=True)
class DeadLetterCause:
    """Why a record is a dead letter.

    `attempts` counts all tries; `retriable`: the reason may be temporary.
    """

    reason: str
    error_class: str
    attempts: int
    first_failed: datetime
    last_failed: datetime
    retriable: bool = False


# The share of dead letters is that of the latest events, this many at most and at least.
_LATEST = 200
_ENOUGH = 50


class TooMany:
    """Detects so many dead letters that the fault must be ours, not the records'. Pure.

    `limit` in a row are too many, and more than `share` of the latest events.
    """

    def __init__(self, limit: int, share: float) -> None:
        self._limit = limit
        self._share = share
        self._in_a_row = 0
        self._latest: deque[bool] = deque(maxlen=_LATEST)
        self._is_known = False

    def succeeded(self) -> bool:
        """Count a success. True once, when there were enough of them to resolve the alert."""
        self._in_a_row = 0
        self._latest.append(False)
        if self._is_known or len(self._latest) < _ENOUGH or self._are_many():
            return False
        self._is_known = True
        return True

    def failed(self) -> str:
        """Count a dead letter. The reason why there are too many; empty otherwise."""
        self._in_a_row += 1
        self._latest.append(True)
        if self._in_a_row >= self._limit:
            return f"{self._in_a_row} dead letters in a row"
        if len(self._latest) >= _ENOUGH and self._are_many():
            return f"{sum(self._latest)} of the last {len(self._latest)} events are dead letters"
        return ""

    def _are_many(self) -> bool:
        return sum(self._latest) > self._share * len(self._latest)


class TooManyDeadLetters(Misconfigured):
    """So many records failed that the service must be at fault: it stops."""


class DeadLetters:
    """Writes the dead letters of one service. Too many of them stop it."""

    def __init__(
        self, producer: Producer, topic: str, *, service: str, version: str, limit: int, share: float = 1.0
    ) -> None:
        self._producer = producer
        self._topic = topic
        self._service = service
        self._version = version
        self._too_many = TooMany(limit, share)

    async def send(self, record: Record | Unreadable, cause: DeadLetterCause) -> None:
        """Returns once the letter is acknowledged: only then may the record's offset pass.

        Raises TargetDown if it cannot be written, Misconfigured when there are too many: then the offset of this record
        is not committed, so it is processed, and dead-lettered, again at the next start.
        """
        body = record.body if isinstance(record, Unreadable) else record.envelope.body
        headers = [*record.headers, *dead_letter_headers(record, cause, self._service, self._version)]
        await self._producer.send_raw(self._topic, record.key, body, headers)
        if why := self._too_many.failed():
            raise TooManyDeadLetters(f"{why}, the last one: {masked(cause.reason)}")

    def record_success(self) -> bool:
        """Record a success: dead letters in a row start at zero. True once, when the alert can be resolved."""
        return self._too_many.succeeded()


def dead_letter_headers(record: Record | Unreadable, cause: DeadLetterCause, service: str, version: str) -> Headers:
    """The `x-dlq-*` headers; times are ISO 8601, `orig-ts` is milliseconds since 1970 UTC."""
    named = {
        "service": service,
        "version": version,
        "orig-topic": record.topic,
        "orig-partition": str(record.partition),
        "orig-offset": str(record.offset),
        "orig-ts": str(record.timestamp),
        "reason": masked(cause.reason),
        "error-class": cause.error_class,
        "attempts": str(cause.attempts),
        "first-failed": cause.first_failed.isoformat(),
        "last-failed": cause.last_failed.isoformat(),
        "retriable": "true" if cause.retriable else "false",
        "replay-count": _replay_count(record),
    }
    headers = [(f"x-dlq-{name}", value.encode()) for name, value in named.items()]
    return headers if record.key is None else [*headers, ("x-dlq-orig-key", record.key)]


def _replay_count(record: Record | Unreadable) -> str:
    """How often this event was replayed, as the header of a replayed record says."""
    counts = [value for name, value in record.headers if name == "x-replay-count"]
    return (header_text(counts[-1]) if counts else "") or "0"


def own_version() -> str:
    """The installed version; empty when run from a source folder."""
    try:
        return version("tillbridge")
    except PackageNotFoundError:
        return ""
