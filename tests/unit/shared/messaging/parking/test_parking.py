"""What is kept of a parked key, and when its turn comes."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.entities.order.spec import CANONICAL_ORDER
from shared.errors import Fenced, Rejected, TargetDown, Waiting
from shared.messaging.lanes.lane import Kind, Lane, Work
from shared.messaging.parking.parking import Parking
from shared.messaging.record import ConsumerOptions, Route
from shared.state.parked import ParkedKey, ParkedRecord
from tests.support.messaging import NOON, a_record, until
from tests.unit.shared.messaging.consumer.test_error_handling import KEY, Harness

ONE_BY_ONE = Route(CANONICAL_ORDER, Harness().handle, "order", False, "halt")
COLLAPSING = replace(ONE_BY_ONE, collapse=True)


async def a_bench() -> Harness:
    return await Harness().assigned()


def a_key(number: int, connection: str = "main", *, topic: str = "orders", waits_for: str | None = None) -> ParkedKey:
    return ParkedKey(
        topic, 0, f"{connection}|{number}", connection, "order", "waiting", "why", "Waiting", waits_for, 0, NOON, NOON
    )


async def parked(harness: Harness, *keys: ParkedKey) -> None:
    for offset, key in enumerate(keys):
        record = ParkedRecord(key.topic, 0, 1000 + offset, key.key, [], b"{}")
        await harness.parked.park(key, [record], harness.parked.epochs[(key.topic, 0)])


def work_of(harness: Harness, count: int = 1) -> Work:
    harness.arrive(count)
    work = harness.lanes.next()
    assert work is not None
    while (more := len(work.records)) < count:
        work.records.append(a_record("1001", more))
    return work


def with_options(harness: Harness, **options: Any) -> Parking:
    """The same parts with other options; the partitions stay ours."""
    made = Parking(harness.lanes, harness.parked, harness.parking._reporter, ConsumerOptions(**options), harness.clock)  # type: ignore[arg-type]
    made._epochs = harness.parking._epochs
    return made


# What is kept.


async def test_a_parked_key_says_why_since_when_and_until_when() -> None:
    harness = await a_bench()
    work = work_of(harness)

    await harness.parking.park(work, ONE_BY_ONE, Waiting("no item TEE of bob@example.com", "item:TEE"), 90.0)

    row = harness.parked.rows[KEY]
    assert row.key == ParkedKey(
        topic="orders", partition=0, key="main|1001", connection="main", entity="order", state="waiting",
        reason=row.key.reason, error_class="Waiting", waits_for="item:TEE", attempts=0,
        first_failed_at=NOON, next_attempt_at=NOON + timedelta(seconds=90),
    )  # fmt: skip
    assert "no item TEE" in row.key.reason
    assert "bob@" not in row.key.reason
    [record] = row.records
    source = work.records[0]
    assert (record.topic, record.partition, record.offset, record.key) == ("orders", 0, 0, "main|1001")
    assert (record.headers, record.body) == (list(source.headers), source.envelope.body)
    assert harness.lanes.parked == {KEY}


@pytest.mark.parametrize(("route", "offsets"), [(ONE_BY_ONE, [0, 1, 2]), (COLLAPSING, [2])], ids=["all", "newest"])
async def test_of_states_only_the_newest_is_kept(route: Route, offsets: list[int]) -> None:
    harness = await a_bench()

    await harness.parking.park(work_of(harness, 3), route, Rejected("never"), 1.0)

    row = harness.parked.rows[KEY]
    assert [record.offset for record in row.records] == offsets
    assert row.key.waits_for is None


async def test_what_waits_for_a_vendor_is_tried_again_soon() -> None:
    harness = await a_bench()

    await harness.parking.shed(work_of(harness), ONE_BY_ONE, TargetDown("away", target="shopify"))

    key = harness.parked.rows[KEY].key
    assert (key.waits_for, key.next_attempt_at) == ("target:shopify", NOON + timedelta(seconds=5))


async def test_what_joins_a_parked_key_is_told_of_each() -> None:
    harness = await a_bench()
    await parked(harness, a_key(1001))

    assert await harness.parking.append(work_of(harness, 2), ONE_BY_ONE) is True

    assert [record.offset for record in harness.parked.rows[KEY].records] == [1000, 0, 1]
    assert [(hop.outcome, hop.detail) for hop in harness.producer.hops] == [
        ("parked", "waits behind an earlier event of its key")
    ] * 2


async def test_a_key_that_is_parked_no_longer_takes_nothing_and_runs() -> None:
    harness = await a_bench()
    harness.lanes.park(KEY)

    assert await harness.parking.append(work_of(harness), ONE_BY_ONE) is False

    assert harness.lanes.parked == set()
    assert harness.producer.hops == []


@pytest.mark.parametrize("there", [True, False])
async def test_an_answer_that_comes_after_the_assignment_changes_no_lane_of_the_next(there: bool) -> None:
    """The database answers; meanwhile the partitions have gone and come back."""
    harness = await a_bench()
    work = work_of(harness)
    append, park = harness.parked.append, harness.parked.park

    async def slow_append(*arguments: Any) -> None:
        assert await append(*arguments) is None
        harness.lanes.assign([("orders", 0)])
        harness.lanes.park(KEY)

    async def slow_park(*arguments: Any) -> None:
        await park(*arguments)
        harness.lanes.assign([("orders", 0)])

    harness.parked.append, harness.parked.park = slow_append, slow_park  # type: ignore[method-assign]
    if there:
        await harness.parking.park(work, ONE_BY_ONE, Rejected("never"), 1.0)
        assert harness.lanes.parked == set()
    else:
        await harness.parking.append(work, ONE_BY_ONE)
        assert harness.lanes.parked == {KEY}


async def test_without_an_assignment_nothing_is_changed() -> None:
    harness = await a_bench()
    work = work_of(harness)
    harness.parking.forget()

    with pytest.raises(Fenced):
        await harness.parking.park(work, ONE_BY_ONE, Rejected("never"), 1.0)
    assert harness.parked.rows == {}


async def test_whoever_takes_partitions_over_learns_of_all_parked_keys() -> None:
    harness = await a_bench()
    harness.parked.epochs[("items", 0)] = 1
    await parked(harness, a_key(1), a_key(2, topic="items"))

    found = await harness.parking.load([("orders", 0), ("items", 0), ("orders", 1)])

    assert sorted(found) == [("items", "main|2"), ("orders", "main|1")]
    assert harness.parking._epochs == {("orders", 0): 2, ("orders", 1): 1, ("items", 0): 2}
    assert await harness.parking.count() == {"order": 2}


# When its turn comes.


async def test_a_key_that_is_due_gets_its_turn() -> None:
    harness = await a_bench()
    await parked(harness, a_key(1001), replace(a_key(1002), next_attempt_at=NOON + timedelta(seconds=60)))
    ready: list[bool] = []
    harness.lanes.park(KEY)

    await harness.parking._check_due(lambda: ready.append(True))

    assert list(harness.parking.due) == [KEY]
    work = harness.lanes.next()
    assert work is not None
    assert (work.kind, work.key) == (Kind.RETRY_PARKED, KEY)
    assert ready == [True]


async def test_without_a_parked_key_the_database_is_asked_now_and_then() -> None:
    harness = await a_bench()
    ready: list[float] = []
    for _ in range(8):
        harness.clock.advance(5)
        await harness.parking._check_due(lambda: ready.append(harness.clock.monotonic()))

    assert ready == [15, 30]


async def test_a_connection_with_many_due_keys_leaves_the_others_room() -> None:
    harness = await a_bench()
    await parked(harness, *(a_key(number) for number in range(40)), a_key(1, "other"))
    harness.lanes.park(KEY)
    for _ in range(2):
        await harness.parking._check_due(lambda: None)

    shops = [key.connection for key in harness.parking.due.values()]
    assert (shops.count("main"), shops.count("other")) == (32, 1)

    for lane in list(harness.parking.due)[:2]:
        del harness.parking.due[lane]
        del harness.parked.rows[lane]
    await harness.parking._check_due(lambda: None)
    assert len(harness.parking.due) == 33


async def test_a_key_in_memory_is_refreshed_and_takes_no_second_place() -> None:
    harness = await a_bench()
    await parked(harness, *(a_key(number) for number in range(32)))
    harness.lanes.park(KEY)
    await harness.parking._check_due(lambda: None)
    row = harness.parked.rows[("orders", "main|7")]
    row.key = replace(row.key, attempts=3)

    await harness.parking._check_due(lambda: None)

    assert harness.parking.due[("orders", "main|7")].attempts == 3


async def test_what_was_due_for_a_past_assignment_is_nobodys() -> None:
    harness = await a_bench()
    await parked(harness, a_key(1001))
    harness.lanes.park(KEY)
    due = harness.parked.due

    async def slow(*arguments: Any) -> Any:
        found = await due(*arguments)
        harness.lanes.assign([("orders", 0)])
        return found

    harness.parked.due = slow  # type: ignore[method-assign]
    await harness.parking._check_due(lambda: None)

    assert harness.parking.due == {}
    assert not harness.lanes.parked


async def test_what_keys_wait_for_is_asked_by_name_and_not_too_often() -> None:
    harness = await a_bench()
    asked: list[set[str]] = []

    async def awaited(names: set[str]) -> set[str]:
        asked.append(names)
        return {"main|item:A"}

    later = NOON + timedelta(hours=1)
    waits = {1: "item:A", 2: "item:B", 3: "target:heartland", 4: None}
    await parked(
        harness, *(replace(a_key(number, waits_for=name), next_attempt_at=later) for number, name in waits.items())
    )
    harness.lanes.park(("orders", "main|1"))
    parking = with_options(harness, awaited=awaited)
    for _ in range(7):
        harness.clock.advance(2)
        await parking._check_due(lambda: None)

    assert asked == [{"main|item:A", "main|item:B"}] * 2
    assert list(parking.due) == [("orders", "main|1")]


async def test_where_nothing_is_awaited_by_name_nobody_is_asked() -> None:
    harness = await a_bench()
    asked: list[set[str]] = []

    async def awaited(names: set[str]) -> set[str]:
        asked.append(names)
        return set()

    await parked(harness, a_key(3, waits_for="target:heartland"))
    harness.lanes.park(("orders", "main|3"))
    parking = with_options(harness, awaited=awaited)
    harness.clock.advance(5)
    await parking._check_due(lambda: None)

    assert asked == []


async def test_what_nobody_has_wakes_no_key() -> None:
    harness = await a_bench()

    async def awaited(names: set[str]) -> set[str]:
        return set()

    woken: list[Any] = []

    async def wake(*arguments: Any) -> int:
        woken.append(arguments)
        return 0

    harness.parked.wake = wake  # type: ignore[method-assign]
    await parked(harness, replace(a_key(1, waits_for="item:A"), next_attempt_at=NOON + timedelta(hours=1)))
    harness.lanes.park(("orders", "main|1"))
    parking = with_options(harness, awaited=awaited)
    harness.clock.advance(5)
    await parking._check_due(lambda: None)

    assert woken == []


async def test_keys_become_due_and_an_outage_of_the_database_is_survived() -> None:
    harness = await a_bench()
    await parked(harness, replace(a_key(1001, waits_for="item:A"), next_attempt_at=NOON + timedelta(hours=1)))
    harness.lanes.park(KEY)
    parking = with_options(harness, retry_check_seconds=600.0)
    looks: list[int] = []
    watching = asyncio.create_task(parking.watch(lambda: looks.append(len(parking.due))))
    try:
        parking._woken.set()
        await until(lambda: looks)
        await harness.parked.wake([("main", "item:A")], NOON)
        parking._woken.set()
        await until(lambda: len(looks) == 2)
        assert looks == [0, 1]

        harness.parked.down = True
        parking._woken.set()
        await until(lambda: harness.parked.refused)
        harness.parked.down = False
        parking._woken.set()
        await until(lambda: len(looks) == 3)
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def test_it_looks_by_itself_after_a_while_and_not_without_end() -> None:
    harness = await a_bench()
    harness.lanes.park(KEY)
    parking = with_options(harness, retry_check_seconds=0.01)
    looks: list[bool] = []
    watching = asyncio.create_task(parking.watch(lambda: looks.append(True)))
    await until(lambda: looks)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)

    parking._woken.set()
    await parking._pause()
    assert not parking._woken.is_set()


class Turn:
    """A replay that frees its key or does not."""

    def __init__(self, free: bool, before: Any = lambda: None) -> None:
        self.free, self.before, self.given = free, before, 0

    async def retry(self, key: ParkedKey, route: Route, epoch: int, lane: Lane) -> bool:
        self.given += 1
        assert (epoch, lane.key, lane.connection) == (1, KEY, "main")
        self.before()
        return self.free


@pytest.mark.parametrize("free", [True, False])
async def test_after_its_turn_a_key_is_free_or_stays_parked(free: bool) -> None:
    harness = await a_bench()
    await parked(harness, a_key(1001))
    harness.lanes.park(KEY)
    await harness.parking._check_due(lambda: None)
    work = harness.lanes.next()
    assert work is not None

    await harness.parking.retry(work, ONE_BY_ONE, Turn(free))  # type: ignore[arg-type]

    assert harness.parking.due == {}
    assert harness.lanes.parked == (set() if free else {KEY})
    assert harness.parking._woken.is_set()


async def test_a_turn_that_ends_after_the_assignment_changes_nothing_of_the_next() -> None:
    harness = await a_bench()
    await parked(harness, a_key(1001))
    harness.lanes.park(KEY)
    await harness.parking._check_due(lambda: None)
    work = harness.lanes.next()
    assert work is not None

    def over() -> None:
        harness.lanes.assign([("orders", 0)])
        harness.lanes.park(KEY)

    await harness.parking.retry(work, ONE_BY_ONE, Turn(True, over))  # type: ignore[arg-type]

    assert list(harness.parking.due) == [KEY]
    assert harness.lanes.parked == {KEY}
    assert not harness.parking._woken.is_set()


async def test_a_turn_of_a_key_that_is_due_no_longer_is_passed_over() -> None:
    harness = await a_bench()
    harness.lanes.retry_parked(KEY, "main")
    work = harness.lanes.next()
    assert work is not None
    turn = Turn(True)

    await harness.parking.retry(work, ONE_BY_ONE, turn)  # type: ignore[arg-type]

    assert turn.given == 0
    assert harness.lanes.parked == {KEY}


async def test_a_forgotten_assignment_has_nothing_due() -> None:
    harness = await a_bench()
    await parked(harness, a_key(1001))
    harness.lanes.park(KEY)
    await harness.parking._check_due(lambda: None)

    harness.parking.forget()

    assert harness.parking.due == {}
    await harness.parking._check_due(lambda: None)
    assert harness.parking.due == {}
