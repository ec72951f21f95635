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
from tests.unit.shared.messaging.consumer.test_error_handling import KEY, Bench

ONE_BY_ONE = Route(CANONICAL_ORDER, Bench().handle, "order", False, "halt")
COLLAPSING = replace(ONE_BY_ONE, collapse=True)


async def a_bench() -> Bench:
    return await Bench().assigned()


def a_key(number: int, connection: str = "main", *, topic: str = "orders", waits_for: str | None = None) -> ParkedKey:
    return ParkedKey(
        topic, 0, f"{connection}|{number}", connection, "order", "waiting", "why", "Waiting", waits_for, 0, NOON, NOON
    )


async def parked(bench: Bench, *keys: ParkedKey) -> None:
    for offset, key in enumerate(keys):
        record = ParkedRecord(key.topic, 0, 1000 + offset, key.key, [], b"{}")
        await bench.parked.park(key, [record], bench.parked.epochs[(key.topic, 0)])


def work_of(bench: Bench, count: int = 1) -> Work:
    bench.arrive(count)
    work = bench.lanes.next()
    assert work is not None
    while (more := len(work.records)) < count:
        work.records.append(a_record("1001", more))
    return work


def with_options(bench: Bench, **options: Any) -> Parking:
    """The same parts with other options; the partitions stay ours."""
    made = Parking(bench.lanes, bench.parked, bench.parking._reporter, ConsumerOptions(**options), bench.clock)  # type: ignore[arg-type]
    made._epochs = bench.parking._epochs
    return made


# What is kept.


async def test_a_parked_key_says_why_since_when_and_until_when() -> None:
    bench = await a_bench()
    work = work_of(bench)

    await bench.parking.park(work, ONE_BY_ONE, Waiting("no item TEE of bob@example.com", "item:TEE"), 90.0)

    row = bench.parked.rows[KEY]
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
    assert bench.lanes.parked == {KEY}


@pytest.mark.parametrize(("route", "offsets"), [(ONE_BY_ONE, [0, 1, 2]), (COLLAPSING, [2])], ids=["all", "newest"])
async def test_of_states_only_the_newest_is_kept(route: Route, offsets: list[int]) -> None:
    bench = await a_bench()

    await bench.parking.park(work_of(bench, 3), route, Rejected("never"), 1.0)

    row = bench.parked.rows[KEY]
    assert [record.offset for record in row.records] == offsets
    assert row.key.waits_for is None


async def test_what_waits_for_a_vendor_is_tried_again_soon() -> None:
    bench = await a_bench()

    await bench.parking.shed(work_of(bench), ONE_BY_ONE, TargetDown("away", target="shopify"))

    key = bench.parked.rows[KEY].key
    assert (key.waits_for, key.next_attempt_at) == ("target:shopify", NOON + timedelta(seconds=5))


async def test_what_joins_a_parked_key_is_told_of_each() -> None:
    bench = await a_bench()
    await parked(bench, a_key(1001))

    assert await bench.parking.append(work_of(bench, 2), ONE_BY_ONE) is True

    assert [record.offset for record in bench.parked.rows[KEY].records] == [1000, 0, 1]
    assert [(hop.outcome, hop.detail) for hop in bench.producer.hops] == [
        ("parked", "waits behind an earlier event of its key")
    ] * 2


async def test_a_key_that_is_parked_no_longer_takes_nothing_and_runs() -> None:
    bench = await a_bench()
    bench.lanes.park(KEY)

    assert await bench.parking.append(work_of(bench), ONE_BY_ONE) is False

    assert bench.lanes.parked == set()
    assert bench.producer.hops == []


@pytest.mark.parametrize("there", [True, False])
async def test_an_answer_that_comes_after_the_assignment_changes_no_lane_of_the_next(there: bool) -> None:
    """The database answers; meanwhile the partitions have gone and come back."""
    bench = await a_bench()
    work = work_of(bench)
    append, park = bench.parked.append, bench.parked.park

    async def slow_append(*arguments: Any) -> None:
        assert await append(*arguments) is None
        bench.lanes.assign([("orders", 0)])
        bench.lanes.park(KEY)

    async def slow_park(*arguments: Any) -> None:
        await park(*arguments)
        bench.lanes.assign([("orders", 0)])

    bench.parked.append, bench.parked.park = slow_append, slow_park  # type: ignore[method-assign]
    if there:
        await bench.parking.park(work, ONE_BY_ONE, Rejected("never"), 1.0)
        assert bench.lanes.parked == set()
    else:
        await bench.parking.append(work, ONE_BY_ONE)
        assert bench.lanes.parked == {KEY}


async def test_without_an_assignment_nothing_is_changed() -> None:
    bench = await a_bench()
    work = work_of(bench)
    bench.parking.forget()

    with pytest.raises(Fenced):
        await bench.parking.park(work, ONE_BY_ONE, Rejected("never"), 1.0)
    assert bench.parked.rows == {}


async def test_whoever_takes_partitions_over_learns_of_all_parked_keys() -> None:
    bench = await a_bench()
    bench.parked.epochs[("items", 0)] = 1
    await parked(bench, a_key(1), a_key(2, topic="items"))

    found = await bench.parking.load([("orders", 0), ("items", 0), ("orders", 1)])

    assert sorted(found) == [("items", "main|2"), ("orders", "main|1")]
    assert bench.parking._epochs == {("orders", 0): 2, ("orders", 1): 1, ("items", 0): 2}
    assert await bench.parking.count() == {"order": 2}


# When its turn comes.


async def test_a_key_that_is_due_gets_its_turn() -> None:
    bench = await a_bench()
    await parked(bench, a_key(1001), replace(a_key(1002), next_attempt_at=NOON + timedelta(seconds=60)))
    ready: list[bool] = []
    bench.lanes.park(KEY)

    await bench.parking._look(lambda: ready.append(True))

    assert list(bench.parking.due) == [KEY]
    work = bench.lanes.next()
    assert work is not None
    assert (work.kind, work.key) == (Kind.RETRY_PARKED, KEY)
    assert ready == [True]


async def test_without_a_parked_key_the_database_is_asked_now_and_then() -> None:
    bench = await a_bench()
    ready: list[float] = []
    for _ in range(8):
        bench.clock.advance(5)
        await bench.parking._look(lambda: ready.append(bench.clock.monotonic()))

    assert ready == [15, 30]


async def test_a_connection_with_many_due_keys_leaves_the_others_room() -> None:
    bench = await a_bench()
    await parked(bench, *(a_key(number) for number in range(40)), a_key(1, "other"))
    bench.lanes.park(KEY)
    for _ in range(2):
        await bench.parking._look(lambda: None)

    shops = [key.connection for key in bench.parking.due.values()]
    assert (shops.count("main"), shops.count("other")) == (32, 1)

    for lane in list(bench.parking.due)[:2]:
        del bench.parking.due[lane]
        del bench.parked.rows[lane]
    await bench.parking._look(lambda: None)
    assert len(bench.parking.due) == 33


async def test_a_key_in_memory_is_refreshed_and_takes_no_second_place() -> None:
    bench = await a_bench()
    await parked(bench, *(a_key(number) for number in range(32)))
    bench.lanes.park(KEY)
    await bench.parking._look(lambda: None)
    row = bench.parked.rows[("orders", "main|7")]
    row.key = replace(row.key, attempts=3)

    await bench.parking._look(lambda: None)

    assert bench.parking.due[("orders", "main|7")].attempts == 3


async def test_what_was_due_for_a_past_assignment_is_nobodys() -> None:
    bench = await a_bench()
    await parked(bench, a_key(1001))
    bench.lanes.park(KEY)
    due = bench.parked.due

    async def slow(*arguments: Any) -> Any:
        found = await due(*arguments)
        bench.lanes.assign([("orders", 0)])
        return found

    bench.parked.due = slow  # type: ignore[method-assign]
    await bench.parking._look(lambda: None)

    assert bench.parking.due == {}
    assert not bench.lanes.parked


async def test_what_keys_wait_for_is_asked_by_name_and_not_too_often() -> None:
    bench = await a_bench()
    asked: list[set[str]] = []

    async def awaited(names: set[str]) -> set[str]:
        asked.append(names)
        return {"main|item:A"}

    later = NOON + timedelta(hours=1)
    waits = {1: "item:A", 2: "item:B", 3: "target:heartland", 4: None}
    await parked(
        bench, *(replace(a_key(number, waits_for=name), next_attempt_at=later) for number, name in waits.items())
    )
    bench.lanes.park(("orders", "main|1"))
    parking = with_options(bench, awaited=awaited)
    for _ in range(7):
        bench.clock.advance(2)
        await parking._look(lambda: None)

    assert asked == [{"main|item:A", "main|item:B"}] * 2
    assert list(parking.due) == [("orders", "main|1")]


async def test_where_nothing_is_awaited_by_name_nobody_is_asked() -> None:
    bench = await a_bench()
    asked: list[set[str]] = []

    async def awaited(names: set[str]) -> set[str]:
        asked.append(names)
        return set()

    await parked(bench, a_key(3, waits_for="target:heartland"))
    bench.lanes.park(("orders", "main|3"))
    parking = with_options(bench, awaited=awaited)
    bench.clock.advance(5)
    await parking._look(lambda: None)

    assert asked == []


async def test_what_nobody_has_wakes_no_key() -> None:
    bench = await a_bench()

    async def awaited(names: set[str]) -> set[str]:
        return set()

    woken: list[Any] = []

    async def wake(*arguments: Any) -> int:
        woken.append(arguments)
        return 0

    bench.parked.wake = wake  # type: ignore[method-assign]
    await parked(bench, replace(a_key(1, waits_for="item:A"), next_attempt_at=NOON + timedelta(hours=1)))
    bench.lanes.park(("orders", "main|1"))
    parking = with_options(bench, awaited=awaited)
    bench.clock.advance(5)
    await parking._look(lambda: None)

    assert woken == []


async def test_keys_become_due_and_an_outage_of_the_database_is_survived() -> None:
    bench = await a_bench()
    await parked(bench, replace(a_key(1001, waits_for="item:A"), next_attempt_at=NOON + timedelta(hours=1)))
    bench.lanes.park(KEY)
    parking = with_options(bench, retry_check_seconds=600.0)
    looks: list[int] = []
    watching = asyncio.create_task(parking.watch(lambda: looks.append(len(parking.due))))
    try:
        parking._woken.set()
        await until(lambda: looks)
        await bench.parked.wake([("main", "item:A")], NOON)
        parking._woken.set()
        await until(lambda: len(looks) == 2)
        assert looks == [0, 1]

        bench.parked.down = True
        parking._woken.set()
        await until(lambda: bench.parked.refused)
        bench.parked.down = False
        parking._woken.set()
        await until(lambda: len(looks) == 3)
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def test_it_looks_by_itself_after_a_while_and_not_without_end() -> None:
    bench = await a_bench()
    bench.lanes.park(KEY)
    parking = with_options(bench, retry_check_seconds=0.01)
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
    bench = await a_bench()
    await parked(bench, a_key(1001))
    bench.lanes.park(KEY)
    await bench.parking._look(lambda: None)
    work = bench.lanes.next()
    assert work is not None

    await bench.parking.retry(work, ONE_BY_ONE, Turn(free))  # type: ignore[arg-type]

    assert bench.parking.due == {}
    assert bench.lanes.parked == (set() if free else {KEY})
    assert bench.parking._woken.is_set()


async def test_a_turn_that_ends_after_the_assignment_changes_nothing_of_the_next() -> None:
    bench = await a_bench()
    await parked(bench, a_key(1001))
    bench.lanes.park(KEY)
    await bench.parking._look(lambda: None)
    work = bench.lanes.next()
    assert work is not None

    def over() -> None:
        bench.lanes.assign([("orders", 0)])
        bench.lanes.park(KEY)

    await bench.parking.retry(work, ONE_BY_ONE, Turn(True, over))  # type: ignore[arg-type]

    assert list(bench.parking.due) == [KEY]
    assert bench.lanes.parked == {KEY}
    assert not bench.parking._woken.is_set()


async def test_a_turn_of_a_key_that_is_due_no_longer_is_passed_over() -> None:
    bench = await a_bench()
    bench.lanes.retry_parked(KEY, "main")
    work = bench.lanes.next()
    assert work is not None
    turn = Turn(True)

    await bench.parking.retry(work, ONE_BY_ONE, turn)  # type: ignore[arg-type]

    assert turn.given == 0
    assert bench.lanes.parked == {KEY}


async def test_a_forgotten_assignment_has_nothing_due() -> None:
    bench = await a_bench()
    await parked(bench, a_key(1001))
    bench.lanes.park(KEY)
    await bench.parking._look(lambda: None)

    bench.parking.forget()

    assert bench.parking.due == {}
    await bench.parking._look(lambda: None)
    assert bench.parking.due == {}
