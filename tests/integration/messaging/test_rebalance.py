"""Members come, go and crash: nothing is lost, and no key overtakes itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest

from deploy.local.engine import Engine
from shared.messaging.record import Record
from tests.integration.messaging.setting import QUICK, Handled, Place, a_place, consuming
from tests.support.messaging import until

KEYS = tuple(f"key-{number}" for number in range(30))


@pytest.fixture
async def place(engine: Engine, topic_prefix: str, database_url: str) -> AsyncIterator[Place]:
    async with a_place(engine, topic_prefix, database_url) as made:
        yield made


async def publish_all(place: Place, start: int, end: int) -> None:
    for number in range(start, end):
        await asyncio.gather(*(place.publish(key, number) for key in KEYS))


def first_times(done: list[str], key: str) -> list[int]:
    numbers = [int(event.split(".")[1]) for event in done if event.startswith(f"{key}.")]
    return list(dict.fromkeys(numbers))


async def a_little_work(records: Sequence[Record]) -> None:
    await asyncio.sleep(0.005)


async def test_members_that_come_and_go_lose_and_double_nothing(place: Place) -> None:
    handled = Handled(a_little_work)
    async with consuming(place, handled) as first:
        await publish_all(place, 0, 5)
        await until(lambda: len(handled.done) > 20)
        async with consuming(place, handled) as second:
            await publish_all(place, 5, 10)
            await until(lambda: len(handled.done) == 300, seconds=40)
            await publish_all(place, 10, 12)
            await until(lambda: len(handled.done) > 310)
            await second.stop()
        await publish_all(place, 12, 15)
        await until(lambda: len(set(handled.done)) == 450, seconds=40)
        await first.stop()

    assert len(handled.done) == 450
    assert not handled.overlapped
    for key in KEYS:
        assert handled.seen(key) == [f"{key}.{number}" for number in range(15)]
    assert await place.committed() == 450


async def test_after_a_crash_the_rest_is_read_again_in_order(place: Place) -> None:
    handled = Handled(a_little_work)
    await publish_all(place, 0, 10)
    async with consuming(place, handled) as running:
        await until(lambda: len(handled.done) > 60)
        await running.kill()
    committed = await place.committed()
    assert committed <= len(handled.done)
    async with consuming(place, handled) as running:
        await until(lambda: len(set(handled.done)) == 300, seconds=40)
        await running.stop()

    for key in KEYS:
        assert first_times(handled.done, key) == list(range(10))
    assert await place.committed() == 300


async def test_work_that_outlasts_the_drain_is_cancelled_and_done_again(place: Place) -> None:
    stuck = asyncio.Event()
    tries: list[str] = []

    async def behaviour(records: Sequence[Record]) -> None:
        event = records[0].envelope.id
        tries.append(event)
        if event == "key-0.0" and not stuck.is_set():
            stuck.set()
            await asyncio.Event().wait()

    handled = Handled(behaviour)
    options = replace(QUICK, drain_seconds=0.3)
    async with consuming(place, handled, options=options):
        await publish_all(place, 0, 2)
        await stuck.wait()
        async with consuming(place, handled, options=options):
            await until(lambda: len(set(handled.done)) == 60, seconds=40)

    assert tries.count("key-0.0") >= 2
    assert first_times(handled.done, "key-0") == [0, 1]


async def test_a_static_member_comes_back_without_a_rebalance_of_others(place: Place) -> None:
    handled = Handled()
    settings = place.settings.model_copy(update={"instance": "pod-0"})
    async with consuming(place, handled, settings=settings):
        await place.publish("a", 0)
        await until(lambda: handled.done == ["a.0"])
    async with consuming(place, handled, settings=settings):
        await place.publish("a", 1)
        await until(lambda: handled.done == ["a.0", "a.1"])
