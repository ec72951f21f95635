"""The producer on a real broker, one that refuses and one that is killed among them."""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.local.broker import open_broker
from deploy.local.engine import Engine
from shared.entities.order.spec import CANONICAL_ORDER
from shared.entities.table import topics
from shared.errors import Misconfigured, Rejected, TargetDown
from shared.messaging.kafka.admin import create_topics
from shared.messaging.kafka.clients import abandon_producer, connect_producer
from shared.messaging.kafka.producer import open_producer
from shared.messaging.topics import MAX_MESSAGE_BYTES, Topic, topic_name
from shared.runtime.clock import SystemClock
from shared.runtime.settings import Settings
from tests.support.engine import service_environ
from tests.support.messaging import an_envelope

ONE = Topic("one", partitions=1)


@pytest.fixture
def settings(engine: Engine, topic_prefix: str) -> Settings:
    return Settings.from_env(service_environ(engine, topic_prefix=topic_prefix, database_url="postgresql://none"))


async def read_all(settings: Settings, topic: Topic) -> list[bytes]:
    name = topic_name(settings.topic_prefix, topic)
    reader = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap_servers, max_partition_fetch_bytes=2 * MAX_MESSAGE_BYTES
    )
    await reader.start()
    try:
        partitions = [TopicPartition(name, number) for number in range(topic.partitions)]
        reader.assign(partitions)
        await reader.seek_to_beginning(*partitions)
        end = sum((await reader.end_offsets(partitions)).values())
        values: list[bytes] = []
        while len(values) < end:
            batches = await reader.getmany(timeout_ms=200)
            values += [record.value for batch in batches.values() for record in batch]
    finally:
        await reader.stop()
    return values


async def test_topics_are_made_once_however_often_asked(settings: Settings) -> None:
    await asyncio.gather(create_topics(settings, topics()), create_topics(settings, topics()))
    await create_topics(settings, topics())

    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers)
    await admin.start()
    try:
        assert {topic_name(settings.topic_prefix, topic) for topic in topics()} <= set(await admin.list_topics())
    finally:
        await admin.close()


async def test_another_number_of_partitions_is_refused(settings: Settings) -> None:
    await create_topics(settings, [ONE])

    with pytest.raises(Misconfigured, match="1 partitions"):
        await create_topics(settings, [Topic("one", partitions=2)])


async def test_the_largest_record_goes_through_and_a_larger_one_does_not(settings: Settings) -> None:
    await create_topics(settings, [ONE])
    body = bytes(range(256)) * (MAX_MESSAGE_BYTES // 256)
    async with open_producer(settings, SystemClock()) as producer:
        await producer.send(ONE, an_envelope(body=body))
        with pytest.raises(Rejected):
            await producer.send(ONE, an_envelope(body=body + b"x"))

    assert await read_all(settings, ONE) == [body]


async def test_a_refused_record_fails_alone(settings: Settings) -> None:
    """The broker's refusal poisons the client: what was on its way with it is sent again by the next one."""
    small = topic_name(settings.topic_prefix, Topic("small"))
    await create_topics(settings, [ONE])
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers)
    await admin.start()
    await admin.create_topics([NewTopic(small, 1, 1, topic_configs={"max.message.bytes": "1000"})])
    await admin.close()
    async with open_producer(settings, SystemClock()) as producer:
        refused = asyncio.ensure_future(producer.send_raw(small, b"k", random.Random(1).randbytes(10_000), []))
        sends = [producer.send(ONE, an_envelope(body=b"%d" % number)) for number in range(200)]
        await asyncio.gather(*sends)
        with pytest.raises(TargetDown, match="3 times"):
            await refused
        await producer.send(ONE, an_envelope(body=b"200"))

    values = [int(value) for value in await read_all(settings, ONE)]
    assert list(dict.fromkeys(values)) == list(range(201))


async def test_a_topic_that_does_not_exist_is_a_target_that_is_down(settings: Settings) -> None:
    async with open_producer(settings, SystemClock()) as producer:
        with pytest.raises(TargetDown):
            await producer.send(Topic("nowhere"), an_envelope(), timeout_seconds=0.5)


@pytest.fixture
async def own_broker(engine_folder: Path) -> AsyncIterator[tuple[Settings, object]]:
    async with open_broker(engine_folder / "killed") as broker:
        values = {"kafka_bootstrap_servers": broker.bootstrap_servers, "database_url": "x", "secret_key": "x"}
        settings = Settings.model_validate(values)
        await create_topics(settings, [ONE, CANONICAL_ORDER])
        yield settings, broker


async def test_a_killed_broker_costs_time_and_no_record(own_broker: tuple[Settings, object]) -> None:
    settings, broker = own_broker
    acknowledged: list[int] = []
    async with open_producer(settings, SystemClock()) as producer:

        async def send(number: int) -> None:
            while True:
                try:
                    await producer.send(ONE, an_envelope(body=b"%d" % number), timeout_seconds=3.0)
                except TargetDown:
                    continue
                acknowledged.append(number)
                return

        await asyncio.gather(*(send(number) for number in range(50)))
        await broker.kill()  # type: ignore[attr-defined]
        late = asyncio.gather(*(send(number) for number in range(50, 100)))
        with pytest.raises(TargetDown):
            await producer.send(ONE, an_envelope(body=b"999"), timeout_seconds=0.3)
        await broker.restart()  # type: ignore[attr-defined]
        await late
        await producer.send(CANONICAL_ORDER, an_envelope())

    values = {int(value) for value in await read_all(settings, ONE)}
    assert set(acknowledged) == set(range(100))
    assert set(acknowledged) <= values


async def test_without_a_broker_a_service_still_starts_and_stops(settings: Settings) -> None:
    nowhere = settings.model_copy(update={"kafka_bootstrap_servers": "127.0.0.1:1"})
    async with open_producer(nowhere, SystemClock()) as producer:
        with pytest.raises(TargetDown):
            await producer.send(ONE, an_envelope(), timeout_seconds=0.2)

        assert not producer.is_connected


async def test_connecting_that_is_cut_off_anywhere_leaves_nothing_open(settings: Settings) -> None:
    for step in range(120):
        connecting = asyncio.ensure_future(connect_producer(settings))
        for _ in range(step // 4):
            await asyncio.sleep(0.0001 * (step % 4))
        connecting.cancel()
        await asyncio.wait({connecting})
        if not connecting.cancelled():
            await abandon_producer(connecting.result())

    del connecting
    gc.collect()  # what was left open would warn here, and warnings are errors
