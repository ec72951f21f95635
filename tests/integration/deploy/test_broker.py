"""The embedded broker is a real one: it keeps what it acknowledged, and comes back where it was."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.local.broker import Broker, open_broker
from deploy.local.engine import Engine
from shared.messaging.topics import MAX_MESSAGE_BYTES, Topic
from tests.support.processes import is_running


@pytest.fixture(scope="module")
async def broker(engine_folder: Path) -> AsyncIterator[Broker]:
    """One that may be killed: not the one that the other tests share."""
    async with open_broker(engine_folder / "another-kafka") as running:
        yield running


@asynccontextmanager
async def a_topic(servers: str, name: str) -> AsyncIterator[TopicPartition]:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, 1, 1, topic_configs=Topic(name).config())])
        yield TopicPartition(name, 0)
    finally:
        await admin.close()


async def produce(servers: str, topic: str, values: list[bytes]) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=servers, acks="all", enable_idempotence=True, max_request_size=MAX_MESSAGE_BYTES
    )
    await producer.start()
    try:
        for value in values:
            await producer.send_and_wait(topic, value, partition=0)
    finally:
        await producer.stop()


async def consume(servers: str, partition: TopicPartition, count: int) -> list[bytes]:
    consumer = AIOKafkaConsumer(bootstrap_servers=servers)
    await consumer.start()
    try:
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        return [(await consumer.getone()).value for _ in range(count)]
    finally:
        await consumer.stop()


async def test_what_was_acknowledged_survives_kill_9(broker: Broker) -> None:
    values = [str(number).encode() for number in range(200)]
    address, pid = broker.bootstrap_servers, broker.pid
    async with a_topic(address, "survives") as partition:
        await produce(address, "survives", values)

        await broker.kill()
        assert not is_running(pid)
        await broker.restart()

        assert broker.bootstrap_servers == address
        assert await consume(address, partition, 200) == values


async def test_a_restart_of_a_running_broker_changes_nothing(broker: Broker) -> None:
    pid = broker.pid

    await broker.restart()

    assert broker.pid == pid


async def test_a_record_of_the_largest_size_goes_through(broker: Broker) -> None:
    largest = b"x" * (MAX_MESSAGE_BYTES - 1024)
    async with a_topic(broker.bootstrap_servers, "large") as partition:
        await produce(broker.bootstrap_servers, "large", [largest])

        assert await consume(broker.bootstrap_servers, partition, 1) == [largest]


async def test_two_brokers_side_by_side_know_nothing_of_each_other(broker: Broker, engine: Engine) -> None:
    async with a_topic(broker.bootstrap_servers, "mine"):
        admin = AIOKafkaAdminClient(bootstrap_servers=engine.bootstrap_servers)
        await admin.start()
        try:
            assert broker.bootstrap_servers != engine.bootstrap_servers
            assert "mine" not in await admin.list_topics()
        finally:
            await admin.close()


async def test_it_says_what_it_is_and_how_it_was_obtained(broker: Broker) -> None:
    assert broker.version == "4.3.0"
    assert broker.obtained.startswith("embedded Apache Kafka 4.3.0 (jgo ")


async def test_data_outlives_the_run_that_made_it(disk_folder: Path) -> None:
    async with open_broker(disk_folder) as first, a_topic(first.bootstrap_servers, "kept"):
        await produce(first.bootstrap_servers, "kept", [b"one"])

    async with open_broker(disk_folder) as second:
        assert await consume(second.bootstrap_servers, TopicPartition("kept", 0), 1) == [b"one"]
