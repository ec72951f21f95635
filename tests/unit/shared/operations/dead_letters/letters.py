"""Dead letters as services leave them."""

from __future__ import annotations

from datetime import timedelta

from shared.messaging.dead_letters.reader import DeadLetter
from shared.messaging.dead_letters.writer import DeadLetterCause, dead_letter_headers
from tests.support.messaging import NOON, a_record


def a_letter(
    offset: int = 0,
    *,
    subject: str = "1001",
    reason: str = "no such tender",
    service: str = "heartland_writer",
    body: bytes = b'{"name": "#1001"}',
    error_class: str = "Rejected",
    replays: int = 0,
    connection: str = "main",
) -> DeadLetter:
    record = a_record(subject, 7, topic="p.canonical.order", connection=connection, body=body)
    if replays:
        record.headers = (*record.headers, ("x-replay-count", str(replays).encode()), ("x-replay-id", b"old"))
    headers = dead_letter_headers(record, DeadLetterCause(reason, error_class, 3, NOON, NOON), service, "1")
    at = NOON + timedelta(minutes=offset)
    return DeadLetter(service, 0, offset, at, record.key, (*record.headers, *headers), body)
