"""The order transformer as its service runs it: real broker, real database, the sandbox's shop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaConsumer

from deploy.local.engine import Engine
from services.transformers.__main__ import run
from services.transformers.settings import Settings
from shared.entities.order.event import OrderEvent
from shared.entities.order.spec import CANONICAL_ORDER, RAW_SHOPIFY_ORDER
from shared.messaging.envelope import Envelope
from shared.messaging.kafka.admin import create_topics
from shared.messaging.kafka.producer import Producer, open_producer
from shared.messaging.topics import ALERT, DEAD_LETTERS, TRACE, topic_name
from shared.runtime.clock import SystemClock
from shared.state.connections import Connection, ConnectionStore
from shared.state.database import Database
from shared.state.reviews import Reviews
from tests.support.engine import service_environ
from tests.support.messaging import an_envelope, until
from tests.support.sandbox import Sandbox, open_sandbox

DEAD = DEAD_LETTERS["transformers"]


@dataclass
class Harness:
    """One shop, the topics, and what has come out of them so far."""

    settings: Settings
    sandbox: Sandbox
    producer: Producer
    reviews: Reviews
    events: list[OrderEvent] = field(default_factory=list)
    dead: list[bytes] = field(default_factory=list)
    hops: list[dict[str, Any]] = field(default_factory=list)

    async def order(self, order_id: int, total: str = "15.00", **changes: Any) -> None:
        """An order at the shop: one unit at 10.00, shipping 5.00, paid with a card."""
        body = {
            "id": order_id, "name": f"#{order_id}", "currency": "USD", "total_price": total,
            "financial_status": "paid", "payment_gateway_names": ["bogus"], "total_outstanding": "0.00",
            "line_items": [{"id": order_id * 10, "sku": "TEE", "title": "Tee", "quantity": 1, "price": "10.00"}],
            "shipping_lines": [{"id": order_id * 10 + 1, "title": "Post", "price": "5.00"}],
            **changes,
        }  # fmt: skip
        await self.sandbox.control("POST", "/shopify/orders", body)

    async def notify(self, subject: object, number: int = 1, body: bytes = b"{}") -> None:
        await self.publish(replace(an_envelope(str(subject)), id=f"{subject}.{number}", body=body))

    async def publish(self, notice: Envelope) -> None:
        await self.producer.send(RAW_SHOPIFY_ORDER, notice)

    def published(self) -> set[str]:
        return {event.key for event in self.events}

    def outcomes(self, key: object) -> list[str]:
        return [hop["outcome"] for hop in self.hops if hop["key"] == str(key)]


@pytest.fixture
async def harness(engine: Engine, topic_prefix: str, database_url: str) -> AsyncIterator[Harness]:
    environ = service_environ(engine, topic_prefix=topic_prefix, database_url=database_url)
    settings = Settings.from_env({**environ, "TRANSFORMER_ENTITY": "order", "PARK_SCHEDULE_SECONDS": "0.2,0.2"})
    await create_topics(settings, (RAW_SHOPIFY_ORDER, CANONICAL_ORDER, DEAD, TRACE, ALERT))
    async with (
        open_sandbox(sandbox_plan="plus") as sandbox,
        Database.open(database_url, 2) as database,
        open_producer(settings, SystemClock()) as producer,
    ):
        await ConnectionStore(database, settings.secret_key).put(Connection("main", {"shopify": credentials(sandbox)}))
        harness = Harness(settings, sandbox, producer, Reviews(database))
        async with watching(harness):
            yield harness


def credentials(sandbox: Sandbox) -> dict[str, str]:
    told = sandbox.world.settings
    return {
        "shop_domain": told.sandbox_shop_domain,
        "client_id": told.sandbox_client_id,
        "client_secret": told.sandbox_client_secret,
        "base_url": sandbox.url,
    }


@asynccontextmanager
async def watching(harness: Harness) -> AsyncIterator[None]:
    """Collects what comes out."""
    prefix = harness.settings.topic_prefix
    sinks: dict[str, Any] = {
        topic_name(prefix, CANONICAL_ORDER): lambda body: harness.events.append(OrderEvent.model_validate_json(body)),
        topic_name(prefix, DEAD): harness.dead.append,
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
async def transforming(harness: Harness) -> AsyncIterator[None]:
    """The service, from its start to its orderly end; the test ends with it if it crashes."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(run(harness.settings, stop))
        try:
            yield
        finally:
            stop.set()


@pytest.mark.capability("S84", "S85")
async def test_orders_come_out_whole_once_per_burst_of_notices(harness: Harness) -> None:
    for number in range(1, 41):
        await harness.order(number)
        await harness.notify(number, 1)
        await harness.notify(number, 2)

    async with transforming(harness):
        await until(lambda: len(harness.published()) == 40)
        await until(lambda: len(harness.hops) >= 80)

    assert all(event.record.difference == 0 for event in harness.events)
    assert {str(event.record.paid) for event in harness.events} == {"15.00"}
    # The two notices of an order waited together, so they are one event that names both.
    assert {event.lineage for event in harness.events} == {(f"{n}.1", f"{n}.2") for n in range(1, 41)}
    assert harness.outcomes(7) == ["superseded", "published"]
    assert not harness.dead


async def test_an_order_that_does_not_add_up_waits_for_a_person_until_it_does(harness: Harness) -> None:
    await harness.order(1, total="14.00")
    await harness.notify(1)

    async with transforming(harness):
        await until(lambda: harness.outcomes(1) == ["review"])
        (review,) = await harness.reviews.list()
        assert (review.kind, review.key, review.details["difference"]) == ("order_unbalanced", "1", "-1.00")

        await harness.order(1, total="15.00")
        await harness.notify(1, 2)
        await until(lambda: harness.published() == {"1"})
        await until(lambda: len(harness.outcomes(1)) == 2)

    assert await harness.reviews.list() == []
    assert len(await harness.reviews.list("resolved")) == 1


async def test_poison_among_the_notices_harms_nobody(harness: Harness) -> None:
    await harness.order(1)
    for subject in ("not-a-number", "1" * 30, "٣"):
        await harness.notify(subject)
    await harness.notify(1, body=b"\xff\x00{{{" + b"[" * 10_000)

    async with transforming(harness):
        await until(lambda: harness.published() == {"1"})
        await until(lambda: len(harness.dead) == 3)


async def test_an_outage_of_the_shop_loses_nothing_and_buries_nothing(harness: Harness) -> None:
    await harness.sandbox.faults({"system": "shopify", "kind": "outage", "rate": 1.0})
    for number in range(1, 11):
        await harness.notify(number)
    async with transforming(harness):
        for number in range(1, 11):
            await harness.order(number)
        await until(lambda: any(fault["hits"] for fault in harness.sandbox.world.faults.report()))
        await harness.sandbox.control("DELETE", "/faults")
        await until(lambda: len(harness.published()) == 10, seconds=40)

    assert not harness.dead
    assert await harness.reviews.list() == []


async def test_an_order_the_shop_does_not_show_goes_to_a_person(harness: Harness) -> None:
    await harness.notify(404)

    async with transforming(harness):
        await until(lambda: "review" in harness.outcomes(404), seconds=30)

    (review,) = await harness.reviews.list()
    assert review.kind == "order_gone"


async def test_a_stranger_to_the_installation_stops_nobody(harness: Harness) -> None:
    await harness.order(1)
    await harness.publish(replace(an_envelope("1"), id="stranger", connection="elsewhere"))
    await harness.notify(1)

    async with transforming(harness):
        await until(lambda: harness.published() == {"1"})
