from __future__ import annotations

import pytest

from shared.errors import Misconfigured, TargetDown
from shared.messaging.dead_letters.writer import DeadLetterCause, DeadLetters, TooMany
from shared.messaging.record import Unreadable
from tests.support.messaging import NOON, SentRecords, a_record

CAUSE = DeadLetterCause("no such tender", "Rejected", 3, NOON, NOON)


def letters(producer: SentRecords, limit: int = 10) -> DeadLetters:
    return DeadLetters(producer, "dlq.writer", service="writer", version="1.0", limit=limit)  # type: ignore[arg-type]


async def test_a_dead_letter_keeps_bytes_and_headers_and_says_where_it_came_from() -> None:
    sent = SentRecords()
    record = a_record("1001", 7, body=b'{"a": 1}')
    await letters(sent).send(record, CAUSE)

    (topic, key, value, headers) = sent.sent[0]
    assert (topic, key, value) == ("dlq.writer", b"main|1001", b'{"a": 1}')
    assert headers[: len(record.headers)] == list(record.headers)
    added = dict(headers[len(record.headers) :])
    assert added == {
        "x-dlq-service": b"writer",
        "x-dlq-version": b"1.0",
        "x-dlq-orig-topic": b"orders",
        "x-dlq-orig-partition": b"0",
        "x-dlq-orig-offset": b"7",
        "x-dlq-orig-ts": b"1007",
        "x-dlq-orig-key": b"main|1001",
        "x-dlq-reason": b"no such tender",
        "x-dlq-error-class": b"Rejected",
        "x-dlq-attempts": b"3",
        "x-dlq-first-failed": NOON.isoformat().encode(),
        "x-dlq-last-failed": NOON.isoformat().encode(),
        "x-dlq-retriable": b"false",
        "x-dlq-replay-count": b"0",
    }


async def test_an_unreadable_record_is_kept_as_it_is() -> None:
    sent = SentRecords()
    await letters(sent).send(Unreadable("orders", 1, 2, 3, None, (("a", b"\xff"),), None, "no"), CAUSE)

    (_, key, value, headers) = sent.sent[0]
    assert (key, value, headers[0]) == (None, None, ("a", b"\xff"))
    assert "x-dlq-orig-key" not in dict(headers)


async def test_without_the_broker_there_is_no_dead_letter() -> None:
    sent = SentRecords()
    sent.down = True

    with pytest.raises(TargetDown):
        await letters(sent).send(a_record(), CAUSE)


async def test_too_many_in_a_row_stop_the_service() -> None:
    dead = letters(SentRecords(), limit=2)
    await dead.send(a_record(), CAUSE)
    dead.record_success()
    await dead.send(a_record(), CAUSE)

    with pytest.raises(Misconfigured, match="2 dead letters in a row"):
        await dead.send(a_record(), CAUSE)


def test_more_than_the_share_of_the_latest_events_are_too_many() -> None:
    judge = TooMany(limit=1_000, share=0.5)
    for _ in range(30):
        judge.succeeded()
        assert judge.failed() == ""

    assert "31 of the last 61 events are dead letters" in judge.failed()


def test_a_few_events_say_nothing_yet() -> None:
    judge = TooMany(limit=1_000, share=0.5)

    assert [judge.failed() for _ in range(49)] == [""] * 49
    assert judge.failed() == "50 of the last 50 events are dead letters"


def test_that_letters_are_few_is_said_once_and_not_too_soon() -> None:
    judge = TooMany(limit=1_000, share=0.5)
    judge.failed()
    assert [judge.succeeded() for _ in range(60)] == [False] * 48 + [True] + [False] * 11


def test_nobody_says_that_letters_are_few_while_they_are_many() -> None:
    judge = TooMany(limit=1_000, share=0.1)
    for _ in range(40):
        judge.failed()

    assert [judge.succeeded() for _ in range(161)].count(True) == 0
    # The latest two hundred count: the bad ones are leaving.
    assert [judge.succeeded() for _ in range(40)].count(True) == 1


def test_what_is_long_past_does_not_count() -> None:
    judge = TooMany(limit=1_000, share=0.5)
    for _ in range(49):
        judge.failed()
    for _ in range(200):
        judge.succeeded()

    assert [judge.failed() for _ in range(100)] == [""] * 100
