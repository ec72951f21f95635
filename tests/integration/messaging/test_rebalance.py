"""Members come, go and crash: nothing is lost, and no key overtakes itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import replace
from functools import partial

import pytest
from aiokafka.errors import CommitFailedError

from deploy.local.engine import Engine
from shared.messaging.kafka.clients import connect_consumer, stop_consumer
from shared.messaging.record import Record
from shared.messaging.topics import topic_name
from shared.runtime.logging import get_logger
from tests.integration.messaging.harness import QUICK, Handled, Harness, Running, a_harness, consuming
from tests.support.messaging import until

KEYS = tuple(f"key-{number}" for number in range(30))


@pytest.fixture
async def harness(engine: Engine, topic_prefix: str, database_url: str) -> AsyncIterator[Harness]:
    async with a_harness(engine, topic_prefix, database_url) as made:
        yield made


async def publish_all(harness: Harness, start: int, end: int) -> None:
    for number in range(start, end):
        await asyncio.gather(*(harness.publish(key, number) for key in KEYS))


def first_times(done: list[str], key: str) -> list[int]:
    numbers = [int(event.split(".")[1]) for event in done if event.startswith(f"{key}.")]
    return list(dict.fromkeys(numbers))


async def a_little_work(records: Sequence[Record]) -> None:
    await asyncio.sleep(0.005)


async def test_members_that_come_and_go_lose_and_double_nothing(harness: Harness) -> None:
    handled = Handled(a_little_work)
    async with consuming(harness, handled) as first:
        await publish_all(harness, 0, 5)
        await until(lambda: len(handled.done) > 20)
        async with consuming(harness, handled) as second:
            await publish_all(harness, 5, 10)
            await until(lambda: len(handled.done) == 300, seconds=40)
            await publish_all(harness, 10, 12)
            await until(lambda: len(handled.done) > 310)
            await second.stop()
        await publish_all(harness, 12, 15)
        await until(lambda: len(set(handled.done)) == 450, seconds=40)
        await first.stop()

    assert len(handled.done) == 450
    assert not handled.overlapped
    for key in KEYS:
        assert handled.seen(key) == [f"{key}.{number}" for number in range(15)]
    assert await harness.committed() == 450


async def test_after_a_crash_the_rest_is_read_again_in_order(harness: Harness) -> None:
    handled = Handled(a_little_work)
    await publish_all(harness, 0, 10)
    async with consuming(harness, handled) as running:
        await until(lambda: len(handled.done) > 60)
        await running.kill()
    committed = await harness.committed()
    assert committed <= len(handled.done)
    async with consuming(harness, handled) as running:
        await until(lambda: len(set(handled.done)) == 300, seconds=40)
        await running.stop()

    for key in KEYS:
        assert first_times(handled.done, key) == list(range(10))
    assert await harness.committed() == 300


async def test_work_that_outlasts_the_drain_is_cancelled_and_done_again(harness: Harness) -> None:
    stuck = asyncio.Event()
    tries: list[str] = []

    async def behaviour(records: Sequence[Record]) -> None:
        event = records[0].envelope.id
        tries.append(event)
        if event == "key-0.0" and not stuck.is_set():
            stuck.set()
            await asyncio.Event().wait()

    handled = Handled(behaviour)
    options = replace(QUICK, handover_seconds=0.3)
    async with consuming(harness, handled, options=options):
        await publish_all(harness, 0, 2)
        await stuck.wait()
        async with consuming(harness, handled, options=options):
            await until(lambda: len(set(handled.done)) == 60, seconds=40)

    assert tries.count("key-0.0") >= 2
    assert first_times(handled.done, "key-0") == [0, 1]


async def owned(harness: Harness) -> dict[str, set[tuple[int, int]]]:
    """Partitions with their epochs, per instance."""
    rows = await harness.database.fetch("select instance, partition, epoch from owners")
    owners: dict[str, set[tuple[int, int]]] = {}
    for row in rows:
        owners.setdefault(row["instance"], set()).add((row["partition"], row["epoch"]))
    return owners


async def both_own(harness: Harness) -> bool:
    return set(await owned(harness)) == {"pod-0", "pod-1"}


@pytest.mark.parametrize("restarted", ["pod-0", "pod-1"])
async def test_a_static_member_comes_back_without_a_rebalance_of_others(harness: Harness, restarted: str) -> None:
    handled = Handled(a_little_work)

    def member(name: str) -> AbstractAsyncContextManager[Running]:
        return consuming(harness, handled, settings=harness.settings.model_copy(update={"instance": name}))

    async with AsyncExitStack() as members:
        running = {name: await members.enter_async_context(member(name)) for name in ("pod-0", "pod-1")}
        await until(partial(both_own, harness), seconds=40)
        await publish_all(harness, 0, 2)
        await until(lambda: len(handled.done) == 60, seconds=40)
        before = await owned(harness)

        await running[restarted].stop()
        await publish_all(harness, 2, 4)
        async with member(restarted):
            await until(lambda: len(handled.done) == 120, seconds=40)
        after = await owned(harness)

    # Whoever stayed was assigned nothing anew, and whoever came back has what it had, at the next epoch.
    [stayed] = {"pod-0", "pod-1"} - {restarted}
    assert after[stayed] == before[stayed]
    assert after[restarted] == {(partition, epoch + 1) for partition, epoch in before[restarted]}
    for key in KEYS:
        assert handled.seen(key) == [f"{key}.{number}" for number in range(4)]


async def was_assigned_again(harness: Harness) -> bool:
    return all(epoch >= 2 for partitions in (await owned(harness)).values() for _, epoch in partitions)


async def test_what_was_full_before_a_rebalance_flows_after_it_and_is_full_again(harness: Harness) -> None:
    released = asyncio.Event()
    held: list[float] = []

    def taken(running: Running) -> float:
        return running.shell.metrics.registry.get_sample_value("tillbridge_events_in_total", {"entity": "order"}) or 0

    async def behaviour(records: Sequence[Record]) -> None:
        await released.wait()
        held.append(taken(first) + taken(second) - len(handled.done))
        await asyncio.sleep(0)

    handled = Handled(behaviour)
    options = replace(QUICK, max_records=20, handover_seconds=0.2)
    await asyncio.gather(*(harness.publish("a", number) for number in range(3_000)))
    async with consuming(harness, handled, options=options) as first:
        await until(lambda: handled.calls)
        async with consuming(harness, handled, options=options) as second:
            await until(partial(was_assigned_again, harness), seconds=40)
            released.set()
            await until(lambda: len(set(handled.done)) == 3_000, seconds=60)

    assert max(held) <= 2 * 520  # the bound and one poll, for each of the two assignments
    assert first_times(handled.done, "a") == list(range(3_000))


async def test_who_left_the_group_commits_nothing_although_nobody_else_is_there(harness: Harness) -> None:
    name = topic_name(harness.settings.topic_prefix, harness.topic)
    await harness.publish("a", 0)
    kafka = await connect_consumer(harness.settings, "writer", QUICK, [name], get_logger("test"))
    try:
        kafka.subscribe([name])
        await until(partial(kafka.getmany, timeout_ms=50))
        [*partitions] = kafka.assignment()
        await kafka.commit(dict.fromkeys(partitions, 5))
        await kafka._coordinator._maybe_leave_group()
        with pytest.raises(CommitFailedError):
            await kafka.commit(dict.fromkeys(partitions, 0))
    finally:
        await stop_consumer(kafka)

    assert await harness.committed() == 5 * harness.topic.partitions
