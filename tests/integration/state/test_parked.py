from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from shared.state.database import Database
from shared.state.parked import Parked, ParkedKey, ParkedRecord

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
TOPIC = "canonical.order"
KEY = "demo|1001"


def a_key(key: str = KEY, *, partition: int = 3, waits_for: str | None = None, at: datetime = LATER) -> ParkedKey:
    return ParkedKey(TOPIC, partition, key, "demo", "order", "waiting", "why", "RetryLater", waits_for, 1, NOW, at)


def a_record(offset: int, body: bytes = b"{}", headers: tuple[tuple[str, bytes], ...] = ()) -> ParkedRecord:
    return ParkedRecord(TOPIC, 3, offset, KEY, headers, body)


async def offsets(parked: Parked) -> list[int]:
    return [record.offset for record in await parked.records(TOPIC, KEY)]


async def test_bytes_come_back_unchanged(db: Database) -> None:
    parked = Parked(db, "writer")
    headers = (("ce_id", b"abc"), ("odd", b"\xff\x00\xfe"), ("nul", b"a\x00b"), ("ce_id", b"twice"))

    await parked.park(a_key(), [a_record(5, b"\x00\xff{", headers)])

    (record,) = await parked.records(TOPIC, KEY)
    assert (record.body, tuple(record.headers)) == (b"\x00\xff{", headers)


async def test_parking_twice_stores_once(db: Database) -> None:
    parked = Parked(db, "writer")

    for _ in range(2):
        await parked.park(a_key(), [a_record(5), a_record(6)])

    assert await offsets(parked) == [5, 6]
    assert len(await parked.keys(TOPIC, [3])) == 1
    assert await parked.keys(TOPIC, [4]) == []


async def test_later_records_wait_behind(db: Database) -> None:
    parked = Parked(db, "writer")
    await parked.park(a_key(), [a_record(5)])

    assert await parked.append(TOPIC, KEY, [a_record(6), a_record(7)], collapse=False)

    assert await offsets(parked) == [5, 6, 7]


async def test_states_collapse_to_the_newest(db: Database) -> None:
    parked = Parked(db, "writer")
    await parked.park(a_key(), [a_record(5)])
    await parked.append(TOPIC, KEY, [a_record(7)], collapse=True)

    await parked.append(TOPIC, KEY, [a_record(6)], collapse=True)  # delivered once more, and late

    assert await offsets(parked) == [7]


async def test_a_key_that_is_not_parked_takes_no_records(db: Database) -> None:
    assert not await Parked(db, "writer").append(TOPIC, KEY, [a_record(5)], collapse=False)


async def test_services_do_not_see_each_others_keys(db: Database) -> None:
    await Parked(db, "writer").park(a_key(), [a_record(5)])

    assert await Parked(db, "other").keys(TOPIC, [3]) == []
    assert await Parked(db, "other").count() == {}


async def test_a_key_is_free_when_its_last_record_is_done(db: Database) -> None:
    parked = Parked(db, "writer")
    await parked.park(a_key(), [a_record(5), a_record(6)])
    first, second = [record.seq or 0 for record in await parked.records(TOPIC, KEY)]

    assert not await parked.release(TOPIC, KEY, first)
    assert await parked.release(TOPIC, KEY, second)

    assert await parked.count() == {}


async def test_release_and_append_never_miss_each_other(db: Database, other_db: Database) -> None:
    mine, theirs = Parked(db, "writer"), Parked(other_db, "writer")
    for offset in range(0, 60, 2):
        await mine.park(a_key(), [a_record(offset)])
        (record,) = await mine.records(TOPIC, KEY)

        is_free, was_taken = await asyncio.gather(
            mine.release(TOPIC, KEY, record.seq or 0), theirs.append(TOPIC, KEY, [a_record(offset + 1)], False)
        )

        assert is_free != was_taken  # never freed with a record left behind, never kept with none
        for left in await mine.records(TOPIC, KEY):
            assert await mine.release(TOPIC, KEY, left.seq or 0)


async def test_keys_are_due_by_time_and_partition(db: Database) -> None:
    parked = Parked(db, "writer")
    await parked.park(a_key("demo|1", at=NOW), [])
    await parked.park(a_key("demo|2", at=NOW - timedelta(minutes=1)), [])
    await parked.park(a_key("demo|3", at=LATER), [])
    await parked.park(a_key("demo|4", at=NOW, partition=4), [])

    assert [key.key for key in await parked.due(NOW, TOPIC, [3], 10)] == ["demo|2", "demo|1"]
    assert [key.key for key in await parked.due(NOW, TOPIC, [3], 1)] == ["demo|2"]


async def test_what_appears_wakes_who_waits_for_it(db: Database) -> None:
    parked = Parked(db, "writer")
    await parked.park(a_key("demo|1", waits_for="item:A"), [])
    await parked.park(a_key("demo|2", waits_for="item:B"), [])
    assert set(await parked.awaited()) == {"item:A", "item:B"}

    assert await parked.wake(["item:A", "item:C"], NOW) == 1

    assert [key.key for key in await parked.due(NOW, TOPIC, [3], 10)] == ["demo|1"]


async def test_another_failure_is_counted_and_says_why(db: Database) -> None:
    parked = Parked(db, "writer")
    await parked.park(a_key(), [a_record(5)])

    await parked.failed_again(TOPIC, KEY, "still\x00 not", "Waiting", "item:A", LATER)

    (key,) = await parked.keys(TOPIC, [3])
    assert (key.attempts, key.reason, key.waits_for) == (2, "still\ufffd not", "item:A")
    assert key.first_failed_at == NOW


async def test_a_halted_key_is_neither_due_nor_woken(db: Database) -> None:
    parked = Parked(db, "writer")
    await parked.park(a_key(waits_for="item:A", at=NOW), [a_record(5)])

    await parked.halt(TOPIC, KEY, "used up")

    assert await parked.due(LATER, TOPIC, [3], 10) == []
    assert await parked.wake(["item:A"], NOW - timedelta(days=1)) == 0
    assert await parked.count() == {"order": 1}
