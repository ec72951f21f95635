from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shared.errors import Fenced
from shared.state.database import Database
from shared.state.parked import Parked, ParkedKey, ParkedRecord, drop_through, retry_now

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
TOPIC = "canonical.order"
KEY = "demo|1001"


# Statements that wait for another's lock.
_WAITING = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"


def a_key(key: str = KEY, *, partition: int = 3, waits_for: str | None = None, at: datetime = LATER) -> ParkedKey:
    return ParkedKey(TOPIC, partition, key, "demo", "order", "waiting", "why", "RetryLater", waits_for, 1, NOW, at)


def a_record(offset: int, body: bytes = b"{}", headers: tuple[tuple[str, bytes], ...] = ()) -> ParkedRecord:
    return ParkedRecord(TOPIC, 3, offset, KEY, headers, body)


async def owner(db: Database, service: str = "writer") -> Parked:
    """Who has taken both partitions that these tests use; the first owner has epoch 1."""
    parked = Parked(db, service)
    await parked.take(TOPIC, [3, 4])
    return parked


async def offsets(parked: Parked) -> list[int]:
    return [record.offset for record in await parked.records(TOPIC, KEY)]


async def test_bytes_come_back_unchanged(db: Database) -> None:
    parked = await owner(db)
    headers = (("ce_id", b"abc"), ("odd", b"\xff\x00\xfe"), ("nul", b"a\x00b"), ("ce_id", b"twice"))

    await parked.park(a_key(), [a_record(5, b"\x00\xff{", headers)], 1)

    (record,) = await parked.records(TOPIC, KEY)
    assert (record.body, tuple(record.headers)) == (b"\x00\xff{", headers)


async def test_parking_twice_stores_once(db: Database) -> None:
    parked = await owner(db)

    for _ in range(2):
        await parked.park(a_key(), [a_record(5), a_record(6)], 1)

    assert await offsets(parked) == [5, 6]
    assert len((await parked.take(TOPIC, [3])).keys) == 1
    assert (await parked.take(TOPIC, [4])).keys == []


async def test_an_event_at_an_offset_that_another_had_is_parked_and_neither_is_lost(db: Database) -> None:
    parked = await owner(db)
    await parked.park(a_key(), [a_record(5, headers=(("ce_id", b"old"),)), a_record(6)], 1)
    new = replace(a_record(5, headers=(("ce_id", b"new"),)), key="demo|1002")

    for _ in range(2):
        await parked.park(a_key("demo|1002"), [new], 1)

    (old, other), (kept,) = await parked.records(TOPIC, KEY), await parked.records(TOPIC, "demo|1002")
    assert (old.headers, old.offset, other.offset) == ((("ce_id", b"old"),), -(old.seq or 0), 6)
    assert (kept.headers, kept.offset) == (new.headers, 5)


async def test_of_one_key_both_events_wait_in_their_order(db: Database) -> None:
    parked = await owner(db)
    await parked.park(a_key(), [a_record(5, headers=(("ce_id", b"old"),))], 1)

    await parked.append(TOPIC, KEY, [a_record(5, headers=(("ce_id", b"new"),))], collapse=False, epoch=1)

    assert [record.headers for record in await parked.records(TOPIC, KEY)] == [
        (("ce_id", b"old"),),
        (("ce_id", b"new"),),
    ]


async def test_later_records_wait_behind(db: Database) -> None:
    parked = await owner(db)
    await parked.park(a_key(), [a_record(5)], 1)

    assert await parked.append(TOPIC, KEY, [a_record(6), a_record(7)], collapse=False, epoch=1) == []

    assert await offsets(parked) == [5, 6, 7]


async def test_states_collapse_to_the_newest(db: Database) -> None:
    parked = await owner(db)
    await parked.park(a_key(), [a_record(5)], 1)
    newer = await parked.append(TOPIC, KEY, [a_record(7)], collapse=True, epoch=1)
    late = await parked.append(TOPIC, KEY, [a_record(6)], collapse=True, epoch=1)  # delivered once more, and late

    assert [[record.offset for record in dropped or []] for dropped in (newer, late)] == [[5], [6]]
    assert await offsets(parked) == [7]


async def test_a_key_that_is_not_parked_takes_no_records(db: Database) -> None:
    parked = await owner(db)

    assert await parked.append(TOPIC, KEY, [a_record(5)], collapse=False, epoch=1) is None


async def test_services_do_not_see_each_others_keys(db: Database) -> None:
    parked = await owner(db)
    await parked.park(a_key(), [a_record(5)], 1)

    assert (await Parked(db, "other").take(TOPIC, [3])).keys == []
    assert await Parked(db, "other").count() == {}


async def test_a_key_is_free_when_its_last_record_is_done(db: Database) -> None:
    parked = await owner(db)
    await parked.park(a_key(), [a_record(5), a_record(6)], 1)
    first, second = [record.seq or 0 for record in await parked.records(TOPIC, KEY)]

    assert not await parked.release(a_key(), first, 1)
    assert await parked.release(a_key(), second, 1)

    assert await parked.count() == {}


async def test_what_is_left_of_a_key_has_failed_nothing_yet(db: Database) -> None:
    parked = await owner(db)
    await parked.park(a_key(), [a_record(5), a_record(6)], 1)
    await parked.failed_again(a_key(), "RetryLater", "locked", None, NOW, 1)
    (first, _) = await parked.records(TOPIC, KEY)

    assert not await parked.release(a_key(), first.seq or 0, 1)

    (left,) = (await parked.take(TOPIC, [3])).keys
    assert (left.attempts, left.state, left.next_attempt_at) == (0, "waiting", NOW)
    assert left.first_failed_at > NOW


async def test_release_and_append_never_miss_each_other(db: Database, other_db: Database) -> None:
    mine, theirs = await owner(db), Parked(other_db, "writer")
    for offset in range(0, 60, 2):
        await mine.park(a_key(), [a_record(offset)], 1)
        (record,) = await mine.records(TOPIC, KEY)

        is_free, was_taken = await asyncio.gather(
            mine.release(a_key(), record.seq or 0, 1), theirs.append(TOPIC, KEY, [a_record(offset + 1)], False, 1)
        )

        assert is_free == (was_taken is None)  # never freed with a record left behind, never kept with none
        for left in await mine.records(TOPIC, KEY):
            assert await mine.release(a_key(), left.seq or 0, 1)


async def test_keys_are_due_by_time_and_partition(db: Database) -> None:
    parked = await owner(db)
    await parked.park(a_key("demo|1", at=NOW), [], 1)
    await parked.park(a_key("demo|2", at=NOW - timedelta(minutes=1)), [], 1)
    await parked.park(a_key("demo|3", at=LATER), [], 1)
    await parked.park(a_key("demo|4", at=NOW, partition=4), [], 1)

    assert [key.key for key in await parked.due(NOW, TOPIC, [3], 10)] == ["demo|2", "demo|1"]
    assert [key.key for key in await parked.due(NOW, TOPIC, [3], 1)] == ["demo|2"]


async def test_what_appears_wakes_who_waits_for_it(db: Database) -> None:
    parked = await owner(db)
    await parked.park(a_key("demo|1", waits_for="item:A"), [], 1)
    await parked.park(a_key("demo|2", waits_for="item:B"), [], 1)
    assert set(await parked.awaited()) == {"item:A", "item:B"}

    assert await parked.wake([("demo", "item:A"), ("demo", "item:C"), ("other", "item:B")], NOW) == 1

    assert [key.key for key in await parked.due(NOW, TOPIC, [3], 10)] == ["demo|1"]


async def test_another_failure_is_counted_and_says_why(db: Database) -> None:
    parked = await owner(db)
    await parked.park(a_key(), [a_record(5)], 1)

    await parked.failed_again(a_key(), "Waiting", "still\x00 not", "item:A", LATER, 1)

    (key,) = (await parked.take(TOPIC, [3])).keys
    assert (key.attempts, key.reason, key.waits_for) == (2, "still\ufffd not", "item:A")
    assert key.first_failed_at == NOW


async def test_a_halted_key_is_neither_due_nor_woken(db: Database) -> None:
    parked = await owner(db)
    await parked.park(a_key(waits_for="item:A", at=NOW), [a_record(5)], 1)

    await parked.halt(a_key(), "used up", 1)

    assert await parked.due(LATER, TOPIC, [3], 10) == []
    assert await parked.wake([("demo", "item:A")], NOW - timedelta(days=1)) == 0
    assert await parked.count() == {"order": 1}


async def test_whoever_takes_a_partition_over_finds_what_its_former_owner_parked(db: Database) -> None:
    first = await owner(db)
    await first.park(a_key(), [a_record(5)], 1)

    taken = await Parked(db, "writer").take(TOPIC, [3, 4], "pod-2")

    assert taken.epochs == {3: 2, 4: 2}
    assert [key.key for key in taken.keys] == [KEY]


async def test_a_former_owner_changes_nothing(db: Database) -> None:
    former = await owner(db)
    await former.park(a_key(), [a_record(5)], 1)
    (record,) = await former.records(TOPIC, KEY)
    await owner(db)

    for late in (
        former.park(a_key("demo|2"), [], 1),
        former.append(TOPIC, KEY, [a_record(6)], False, 1),
        former.release(a_key(), record.seq or 0, 1),
        former.failed_again(a_key(), "Waiting", "no", None, LATER, 1),
        former.halt(a_key(), "no", 1),
    ):
        with pytest.raises(Fenced):
            await late
    assert await offsets(former) == [5]
    assert await former.count() == {"order": 1}


async def test_taking_over_waits_for_what_the_former_owner_has_begun(db: Database, other_db: Database) -> None:
    former = await owner(db)
    async with db.transaction() as connection:
        await former._owned(connection, TOPIC, 3, 1)
        taking = asyncio.ensure_future(Parked(other_db, "writer").take(TOPIC, [3]))
        waiting = (
            "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
        )
        while not await connection.fetchval(waiting):
            assert not taking.done()

    assert (await taking).epochs == {3: 2}


async def test_one_shops_backlog_does_not_crowd_out_anothers_due_keys(db: Database) -> None:
    parked = await owner(db)
    for number in range(5):
        await parked.park(a_key(f"demo|{number}", at=NOW - timedelta(minutes=number)), [], 1)
    await parked.park(replace(a_key("other|1", at=NOW), connection="other"), [], 1)

    due = await parked.due(NOW, TOPIC, [3], 2)
    assert [key.key for key in due] == ["demo|4", "demo|3", "other|1"]


async def test_a_halted_key_is_started_again_by_hand(db: Database) -> None:
    parked = await owner(db)
    await parked.park(a_key(), [a_record(5)], 1)
    await parked.halt(a_key(), "used up", 1)

    assert await retry_now(db, "writer", TOPIC, KEY)
    assert not await retry_now(db, "writer", TOPIC, "demo|nobody")

    (key,) = await parked.due(datetime.now(UTC) + timedelta(minutes=1), TOPIC, [3], 10)
    assert (key.state, key.attempts) == ("waiting", 0)


async def test_dropped_by_hand_a_key_flows_again(db: Database) -> None:
    parked = await owner(db)
    await parked.park(a_key(), [a_record(5), a_record(6)], 1)
    last = (await parked.records(TOPIC, KEY))[-1].seq or 0

    assert await drop_through(db, "writer", TOPIC, KEY, last)
    assert await drop_through(db, "writer", TOPIC, KEY, last)

    assert await parked.append(TOPIC, KEY, [a_record(7)], False, 1) is None
    assert await offsets(parked) == []


@pytest.mark.parametrize(("collapse", "left"), [(False, [6]), (True, [6])])
async def test_what_came_after_it_was_read_is_not_dropped_with_it(
    db: Database, collapse: bool, left: list[int]
) -> None:
    parked = await owner(db)
    await parked.park(a_key(), [a_record(5)], 1)
    (read,) = await parked.records(TOPIC, KEY)
    await parked.append(TOPIC, KEY, [a_record(6)], collapse, 1)

    assert not await drop_through(db, "writer", TOPIC, KEY, read.seq or 0)

    assert await offsets(parked) == left
    assert await parked.count() == {"order": 1}
