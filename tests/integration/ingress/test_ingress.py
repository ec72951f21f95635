"""The ingress service on a real broker and a real database."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.local.engine import Engine
from deploy.local.ports import Ports
from services.ingress.__main__ import run
from services.ingress.settings import Settings
from services.sandbox.demo.orders import encode, orders
from shared.entities.order.spec import RAW_SHOPIFY_ORDER
from shared.entities.table import topics
from shared.messaging.envelope import read_envelope
from shared.messaging.kafka.admin import create_topics
from shared.messaging.topics import topic_name
from shared.state.connections import ConnectionStore
from shared.state.database import Database
from tests.bench.ingress_load import load, webhook
from tests.support.engine import service_environ
from tests.support.ingress import SECRET, TOKEN, a_connection, signed


@dataclass
class Served:
    settings: Settings
    url: str

    @property
    def webhooks(self) -> str:
        return f"{self.url}/webhooks/shopify/main"


@asynccontextmanager
async def serving(environ: dict[str, str]) -> AsyncIterator[Served]:
    """The service as `python -m services.ingress` runs it, within this process."""
    with Ports() as ports:
        settings = Settings.from_env({**environ, "INGRESS_PORT": str(ports.reserve())})
        async with Database.open(settings.database_url, 1) as database:
            await ConnectionStore(database, settings.secret_key).put(a_connection())
        stop = asyncio.Event()
        task = asyncio.create_task(run(settings, stop))
        try:
            served = Served(settings, f"http://127.0.0.1:{settings.ingress_port}")
            await answering(served, task)
            yield served
        finally:
            stop.set()
            await asyncio.wait_for(task, 30)


async def answering(served: Served, task: asyncio.Task[None]) -> None:
    async with aiohttp.ClientSession() as session, asyncio.timeout(30):
        while not task.done():
            try:
                async with session.get(served.url):
                    return
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.05)
    await task


@pytest.fixture
async def served(engine: Engine, topic_prefix: str, database_url: str) -> AsyncIterator[Served]:
    environ = dict(service_environ(engine, topic_prefix=topic_prefix, database_url=database_url))
    await create_topics(Settings.from_env(environ), topics())
    # Partitions that are a moment old may have no leader yet, and this machine may be busy.
    async with serving({**environ, "INGRESS_PUBLISH_TIMEOUT_SECONDS": "30"}) as found:
        yield found


async def published(settings: Settings, count: int) -> list[Any]:
    """The first `count` records of the raw topic."""
    name = topic_name(settings.topic_prefix, RAW_SHOPIFY_ORDER)
    reader = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap_servers)
    await reader.start()
    try:
        places = [TopicPartition(name, number) for number in range(RAW_SHOPIFY_ORDER.partitions)]
        reader.assign(places)
        await reader.seek_to_beginning(*places)
        found: list[Any] = []
        async with asyncio.timeout(30):
            while len(found) < count:
                for batch in (await reader.getmany(timeout_ms=500)).values():
                    found += batch
        return found
    finally:
        await reader.stop()


@pytest.mark.capability("S49")
async def test_what_is_answered_with_200_is_on_the_broker_byte_for_byte(served: Served) -> None:
    bodies = [encode(document) for document, _ in zip(orders(1), range(50), strict=False)]
    async with aiohttp.ClientSession() as session:

        async def deliver(number: int, body: bytes) -> int:
            headers = signed(body, X_Shopify_Webhook_Id=f"w-{number}")
            async with session.post(served.webhooks, data=body, headers=headers) as response:
                return response.status

        statuses = await asyncio.gather(*(deliver(n, body) for n, body in enumerate(bodies)))
    records = await published(served.settings, 50)

    assert set(statuses) == {200}
    assert sorted(record.value for record in records) == sorted(bodies)
    envelopes = [read_envelope(record.headers, record.value) for record in records]
    assert {envelope.id for envelope in envelopes} == {f"w-{n}" for n in range(50)}
    assert all(record.key == envelope.key for record, envelope in zip(records, envelopes, strict=True))


async def test_notices_of_one_order_share_a_partition(served: Served) -> None:
    body = b'{"id":77}'
    async with aiohttp.ClientSession() as session:
        for topic in ("orders/create", "orders/paid", "orders/updated"):
            async with session.post(served.webhooks, data=body, headers=signed(body, topic=topic)) as response:
                assert response.status == 200

    records = await published(served.settings, 3)
    assert len({record.partition for record in records}) == 1
    assert [dict(r.headers)["x-shopify-topic"] for r in records] == [
        b"orders/create",
        b"orders/paid",
        b"orders/updated",
    ]


@pytest.mark.capability("S50")
async def test_the_load_of_the_bench_is_taken_without_a_fault(served: Served) -> None:
    bodies = [encode(document) for document, _ in zip(orders(2), range(100), strict=False)]
    requests = [webhook(served.webhooks, body, secret=SECRET, webhook_id=f"w{n}") for n, body in enumerate(bodies)]
    requests = [request.replace(b"sandbox.myshopify.com", b"harbor.myshopify.com") for request in requests]
    result = await load(served.webhooks, requests, connections=16, seconds=1.0, warmup=0.1)

    assert set(result.statuses) == {200}


async def test_a_hook_of_heartland_is_taken(served: Served) -> None:
    url = f"{served.url}/webhooks/heartland/main/item_updated/{TOKEN}"
    async with aiohttp.ClientSession() as session, session.post(url, json={"id": 5}) as response:
        assert response.status == 200


async def test_without_a_broker_the_answer_is_503_within_four_seconds(database_url: str) -> None:
    environ = {
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "DATABASE_URL": database_url,
        "SECRET_KEY": base64.b64encode(bytes(32)).decode(),
    }
    body = b'{"id":1}'
    async with serving(environ) as served, aiohttp.ClientSession() as session:
        started = time.monotonic()
        async with session.post(served.webhooks, data=body, headers=signed(body)) as response:
            assert (response.status, response.headers["Retry-After"]) == (503, "5")
        assert time.monotonic() - started < 4
