"""The Heartland writer as its service runs it: real broker, real database, the sandbox's Heartland."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer

from deploy.local.engine import Engine
from services.heartland_writer.__main__ import run
from services.heartland_writer.settings import Settings
from shared.entities.order.event import LinkEvent, order_event
from shared.entities.order.record import Order
from shared.entities.order.spec import CANONICAL_LINK, CANONICAL_ORDER
from shared.messaging.envelope import Envelope, new_traceparent
from shared.messaging.kafka.admin import create_topics
from shared.messaging.kafka.producer import Producer, open_producer
from shared.messaging.topics import ALERT, DEAD_LETTERS, TRACE, topic_name
from shared.runtime.clock import SystemClock
from shared.state.connections import Connection, ConnectionStore
from shared.state.database import Database
from shared.state.reviews import Reviews
from tests.support.engine import service_environ
from tests.support.sandbox import Sandbox, open_sandbox, sandbox_settings

CONNECTION = "acme"
LIFTED = {
    "HEARTLAND_REQUESTS_PER_SECOND": "0", "HEARTLAND_MAX_IN_FLIGHT": "20", "HEARTLAND_TIMEOUT_SECONDS": "0.5",
    "PARK_SCHEDULE_SECONDS": "0.2,0.2", "AWAITED_CHECK_SECONDS": "0.2",
}  # fmt: skip


@dataclass
class Harness:
    """One Heartland, the topics, and what has come out of them so far."""

    settings: Settings
    sandbox: Sandbox
    database: Database
    producer: Producer
    links: list[LinkEvent] = field(default_factory=list)
    hops: list[dict[str, Any]] = field(default_factory=list)

    @property
    def reviews(self) -> Reviews:
        return Reviews(self.database)

    async def publish(self, order: Order) -> None:
        await self.producer.send(CANONICAL_ORDER, an_event(order))

    async def stock(self, *skus: str) -> None:
        for sku in skus:
            await self.sandbox.control("POST", "/heartland/items", {"public_id": sku, "price": "10.00"})

    async def picture(self, number: object) -> dict[str, Any]:
        """The order with this number as it stands in Heartland, with all its parts."""
        found: dict[str, Any] = await self.sandbox.control("GET", f"/heartland/orders/{number}")
        return found

    async def summary(self) -> dict[str, Any]:
        counts: dict[str, Any] = await self.sandbox.control("GET", "/heartland/summary")
        return counts

    def outcomes(self, key: object) -> list[str]:
        return [hop["outcome"] for hop in self.hops if hop["key"] == str(key)]

    def done(self, outcome: str = "applied") -> set[str]:
        return {hop["key"] for hop in self.hops if hop["outcome"] == outcome}


def an_event(order: Order) -> Envelope:
    event = order_event(order, CONNECTION, namespace="tillbridge", read_at=order.updated_at)
    return Envelope(
        id=f"order:{order.id}:{order.updated_at.isoformat()}",
        source="shopify",
        type="canonical.order",
        time=order.updated_at,
        connection=CONNECTION,
        entity="order",
        subject=order.id,
        body=event.model_dump_json().encode(),
        traceparent=new_traceparent(),
    )


@asynccontextmanager
async def watching(harness: Harness) -> AsyncIterator[None]:
    """Collects links and hops."""
    prefix = harness.settings.topic_prefix
    sinks: dict[str, Any] = {
        topic_name(prefix, CANONICAL_LINK): lambda body: harness.links.append(LinkEvent.model_validate_json(body)),
        topic_name(prefix, TRACE): lambda body: harness.hops.extend(orjson.loads(body)),
    }
    reader = AIOKafkaConsumer(
        *sinks, bootstrap_servers=harness.settings.kafka_bootstrap_servers, auto_offset_reset="earliest"
    )

    async def read() -> None:
        async for record in reader:
            sinks[record.topic](record.value)

    await reader.start()
    task = asyncio.create_task(read())
    try:
        yield
    finally:
        task.cancel()
        await reader.stop()


@asynccontextmanager
async def open_harness(engine: Engine, topic_prefix: str, database_url: str) -> AsyncIterator[Harness]:
    environ = service_environ(engine, topic_prefix=topic_prefix, database_url=database_url)
    settings = Settings.from_env({**environ, **LIFTED})
    await create_topics(
        settings, topics=(CANONICAL_ORDER, CANONICAL_LINK, DEAD_LETTERS["heartland_writer"], TRACE, ALERT)
    )
    async with (
        open_sandbox(sandbox_tax_rate="0.05") as sandbox,
        Database.open(database_url, 2) as database,
        open_producer(settings, SystemClock()) as producer,
    ):
        await connect(sandbox, database, settings)
        harness = Harness(settings, sandbox, database, producer)
        async with watching(harness):
            yield harness


async def connect(sandbox: Sandbox, database: Database, settings: Settings) -> None:
    heartland = {"base_url": sandbox.url, "api_token": sandbox.world.settings.sandbox_api_token}
    store = ConnectionStore(database, settings.secret_key)
    await store.put(
        Connection(
            CONNECTION,
            {"heartland": heartland},
            sandbox_settings(read_lag_seconds=0.2),
        )
    )


@asynccontextmanager
async def writing(harness: Harness) -> AsyncIterator[None]:
    """The service, from its start to its orderly end; the test ends with it if it crashes."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(run(harness.settings, stop))
        try:
            yield
        finally:
            stop.set()


@asynccontextmanager
async def killed_at_the_end(harness: Harness) -> AsyncIterator[None]:
    """The service, torn down without a word wherever it stands."""
    task = asyncio.create_task(run(harness.settings, asyncio.Event()))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def exact(picture: dict[str, Any]) -> Decimal:
    return Decimal(str(picture["order"]["total"]))
