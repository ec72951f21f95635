"""The journal service on a real broker and a real database."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.local.engine import Engine
from services.journal.__main__ import run
from services.journal.settings import Settings
from shared.canonical.hop import Hop
from shared.entities.fulfilment.spec import RAW_HEARTLAND_FULFILMENT
from shared.entities.order.spec import RAW_SHOPIFY_ORDER
from shared.entities.table import topics
from shared.messaging.kafka.admin import create_topics
from shared.messaging.kafka.producer import Producer, open_producer
from shared.messaging.topics import DEAD_LETTERS, TRACE, topic_name
from shared.runtime.clock import SystemClock
from shared.state.database import Database
from shared.state.journal import Journal
from tests.support.engine import service_environ
from tests.support.journal import HOP
from tests.support.messaging import an_envelope


@pytest.fixture
async def settings(engine: Engine, topic_prefix: str, database_url: str) -> Settings:
    environ = service_environ(engine, topic_prefix=topic_prefix, database_url=database_url)
    chosen = Settings.from_env({**environ, "JOURNAL_COLLECT_SECONDS": "0.02"})
    await create_topics(chosen, topics())
    return chosen


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(run(settings, stop))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(task, 30)


async def rows(settings: Settings, enough: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
    async with Database.open(settings.database_url, 1) as database, asyncio.timeout(30):
        while True:
            found = [dict(row) for row in await database.fetch("select * from journal order by id")]
            if enough(found):
                return found
            await asyncio.sleep(0.05)


async def letters(settings: Settings) -> list[Any]:
    topic = DEAD_LETTERS["journal"]
    name = topic_name(settings.topic_prefix, topic)
    reader = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap_servers)
    await reader.start()
    try:
        places = [TopicPartition(name, number) for number in range(topic.partitions)]
        reader.assign(places)
        await reader.seek_to_beginning(*places)
        found = await reader.getmany(timeout_ms=5_000)
        return [record for batch in found.values() for record in batch]
    finally:
        await reader.stop()


@pytest.fixture
async def producer(settings: Settings) -> AsyncIterator[Producer]:
    async with open_producer(settings, SystemClock()) as opened:
        yield opened


async def test_raw_records_and_hops_become_the_story_of_an_order(settings: Settings, producer: Producer) -> None:
    await producer.send(RAW_SHOPIFY_ORDER, an_envelope("1001"))
    await producer.send(RAW_HEARTLAND_FULFILMENT, an_envelope("1001", id="heartland:invoice:7"))
    producer.trace(HOP)
    await producer.flush()
    async with running(settings):
        await rows(settings, lambda found: len(found) == 3)

    async with Database.open(settings.database_url, 1) as database:
        story = await Journal(database).story(None, "1001")
    assert {(hop.service, hop.outcome) for hop in story} == {
        ("ingress", "received"),
        ("poller", "received"),
        ("heartland_writer", "applied"),
    }
    assert HOP in story


async def test_what_is_read_twice_is_written_once(settings: Settings, producer: Producer) -> None:
    hops = [HOP.model_copy(update={"event_id": f"w-{number}"}) for number in range(500)]
    for hop in hops + hops:
        producer.trace(hop)
    await producer.flush()
    async with running(settings):
        found = await rows(settings, lambda found: len(found) >= 500)
        producer.trace(HOP.model_copy(update={"event_id": "last"}))
        await producer.flush()
        found = await rows(settings, lambda found: any(row["event_id"] == "last" for row in found))

    assert len(found) == 501


async def test_a_poisoned_record_is_a_dead_letter_with_its_bytes(settings: Settings, producer: Producer) -> None:
    name = topic_name(settings.topic_prefix, TRACE)
    await producer.send_raw(name, b"k", b'{"not":"a hop"}', [("odd", b"\xff")])
    await producer.send_raw(topic_name(settings.topic_prefix, RAW_SHOPIFY_ORDER), b"k", b"{}", [])
    producer.trace(HOP)
    await producer.flush()
    async with running(settings):
        await rows(settings, lambda found: len(found) == 1)
        found: list[Any] = []
        async with asyncio.timeout(30):
            while len(found) < 2:
                found = await letters(settings)

    by_topic = {dict(letter.headers)["x-dlq-orig-topic"].decode(): letter for letter in found}
    assert by_topic[name].value == b'{"not":"a hop"}'
    assert dict(by_topic[name].headers)["odd"] == b"\xff"


async def test_what_is_too_old_is_forgotten(settings: Settings) -> None:
    async with Database.open(settings.database_url, 1) as database:
        await Journal(database).add([HOP.model_copy(update={"finished_at": HOP.finished_at.replace(year=2020)}), HOP])
    async with running(settings):
        left = await rows(settings, lambda found: len(found) == 1)

    assert json.loads(json.dumps(left[0]["event_id"])) == Hop.model_validate(HOP).event_id


async def test_what_was_made_of_an_event_is_found_by_its_lineage(database_url: str) -> None:
    made = HOP.model_copy(update={"event_id": "order-1", "lineage": (HOP.event_id, "another")})
    async with Database.open(database_url, 1) as database:
        journal = Journal(database)
        await journal.add([HOP, made])

        assert [hop.event_id for hop in await journal.answers_to(HOP.event_id, made.finished_at)] == ["order-1"]
        assert await journal.answers_to(HOP.event_id, made.finished_at + timedelta(seconds=1)) == []
        assert await journal.answers_to("unknown", made.finished_at) == []
