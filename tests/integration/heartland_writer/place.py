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

from services.heartland_writer.__main__ import run
from services.heartland_writer.settings import Settings
from shared.canonical.events import LinkEvent, OrderEvent, content_hash
from shared.canonical.order import Order
from shared.messaging.envelope import Envelope, new_traceparent
from shared.messaging.producer import Producer
from shared.messaging.topics import CANONICAL_LINK, CANONICAL_ORDER, TRACE, topic_name
from shared.state.database import Database
from shared.state.reviews import Reviews
from tests.support.sandbox import Sandbox

CONNECTION = "acme"


@dataclass
class Place:
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
    event = OrderEvent(
        schema_name="tillbridge.order/1",
        connection=CONNECTION,
        entity="order",
        source="shopify",
        key=order.id,
        version=order.updated_at,
        content_hash=content_hash(order, ignore=frozenset({"updated_at", "metafields"})),
        lineage=(),
        read_at=order.updated_at,
        record=order,
    )
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
async def watching(place: Place) -> AsyncIterator[None]:
    """Collects links and hops."""
    prefix = place.settings.topic_prefix
    sinks: dict[str, Any] = {
        topic_name(prefix, CANONICAL_LINK): lambda body: place.links.append(LinkEvent.model_validate_json(body)),
        topic_name(prefix, TRACE): lambda body: place.hops.append(orjson.loads(body)),
    }
    reader = AIOKafkaConsumer(
        *sinks, bootstrap_servers=place.settings.kafka_bootstrap_servers, auto_offset_reset="earliest"
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
async def writing(place: Place) -> AsyncIterator[None]:
    """The service, from its start to its orderly end; the test ends with it if it crashes."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(run(place.settings, stop))
        try:
            yield
        finally:
            stop.set()


@asynccontextmanager
async def killed_at_the_end(place: Place) -> AsyncIterator[None]:
    """The service, torn down without a word wherever it stands."""
    task = asyncio.create_task(run(place.settings, asyncio.Event()))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def exact(picture: dict[str, Any]) -> Decimal:
    return Decimal(str(picture["order"]["total"]))
