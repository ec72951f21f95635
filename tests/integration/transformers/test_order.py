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
class Place:
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
async def place(engine: Engine, topic_prefix: str, database_url: str) -> AsyncIterator[Place]:
    environ = service_environ(engine, topic_prefix=topic_prefix, database_url=database_url)
    settings = Settings.from_env({**environ, "TRANSFORMER_ENTITY": "order", "PARK_SCHEDULE_SECONDS": "0.2,0.2"})
    await create_topics(settings, (RAW_SHOPIFY_ORDER, CANONICAL_ORDER, DEAD, TRACE, ALERT))
    async with (
        open_sandbox(sandbox_plan="plus") as sandbox,
        Database.open(database_url, 2) as database,
        open_producer(settings, SystemClock()) as producer,
    ):
        await ConnectionStore(database, settings.secret_key).put(Connection("main", {"shopify": credentials(sandbox)}))
        place = Place(settings, sandbox, producer, Reviews(database))
        async with watching(place):
            yield place


def credentials(sandbox: Sandbox) -> dict[str, str]:
    told = sandbox.world.settings
    return {
        "shop_domain": told.sandbox_shop_domain,
        "client_id": told.sandbox_client_id,
        "client_secret": told.sandbox_client_secret,
        "base_url": sandbox.url,
    }


@asynccontextmanager
async def watching(place: Place) -> AsyncIterator[None]:
    """Collects what comes out."""
    prefix = place.settings.topic_prefix
    sinks: dict[str, Any] = {
        topic_name(prefix, CANONICAL_ORDER): lambda body: place.events.append(OrderEvent.model_validate_json(body)),
        topic_name(prefix, DEAD): place.dead.append,
        topic_name(prefix, TRACE): lambda body: place.hops.extend(orjson.loads(body)),
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
async def transforming(place: Place) -> AsyncIterator[None]:
    """The service, from its start to its orderly end; the test ends with it if it crashes."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(run(place.settings, stop))
        try:
            yield
        finally:
            stop.set()


@pytest.mark.capability("S84", "S85")
async def test_orders_come_out_whole_once_per_burst_of_notices(place: Place) -> None:
    for number in range(1, 41):
        await place.order(number)
        await place.notify(number, 1)
        await place.notify(number, 2)

    async with transforming(place):
        await until(lambda: len(place.published()) == 40)
        await until(lambda: len(place.hops) >= 80)

    assert all(event.record.difference == 0 for event in place.events)
    assert {str(event.record.paid) for event in place.events} == {"15.00"}
    # The two notices of an order waited together, so they are one event that names both.
    assert {event.lineage for event in place.events} == {(f"{n}.1", f"{n}.2") for n in range(1, 41)}
    assert place.outcomes(7) == ["superseded", "published"]
    assert not place.dead


async def test_an_order_that_does_not_add_up_waits_for_a_person_until_it_does(place: Place) -> None:
    await place.order(1, total="14.00")
    await place.notify(1)

    async with transforming(place):
        await until(lambda: place.outcomes(1) == ["review"])
        (review,) = await place.reviews.list()
        assert (review.kind, review.key, review.details["difference"]) == ("order_unbalanced", "1", "-1.00")

        await place.order(1, total="15.00")
        await place.notify(1, 2)
        await until(lambda: place.published() == {"1"})
        await until(lambda: len(place.outcomes(1)) == 2)

    assert await place.reviews.list() == []
    assert len(await place.reviews.list("resolved")) == 1


async def test_poison_among_the_notices_harms_nobody(place: Place) -> None:
    await place.order(1)
    for subject in ("not-a-number", "1" * 30, "٣"):
        await place.notify(subject)
    await place.notify(1, body=b"\xff\x00{{{" + b"[" * 10_000)

    async with transforming(place):
        await until(lambda: place.published() == {"1"})
        await until(lambda: len(place.dead) == 3)


async def test_an_outage_of_the_shop_loses_nothing_and_buries_nothing(place: Place) -> None:
    await place.sandbox.faults({"system": "shopify", "kind": "outage", "rate": 1.0})
    for number in range(1, 11):
        await place.notify(number)
    async with transforming(place):
        for number in range(1, 11):
            await place.order(number)
        await until(lambda: any(fault["hits"] for fault in place.sandbox.world.faults.report()))
        await place.sandbox.control("DELETE", "/faults")
        await until(lambda: len(place.published()) == 10, seconds=40)

    assert not place.dead
    assert await place.reviews.list() == []


async def test_an_order_the_shop_does_not_show_goes_to_a_person(place: Place) -> None:
    await place.notify(404)

    async with transforming(place):
        await until(lambda: "review" in place.outcomes(404), seconds=30)

    (review,) = await place.reviews.list()
    assert review.kind == "order_gone"


async def test_a_stranger_to_the_installation_stops_nobody(place: Place) -> None:
    await place.order(1)
    await place.publish(replace(an_envelope("1"), id="stranger", connection="elsewhere"))
    await place.notify(1)

    async with transforming(place):
        await until(lambda: place.published() == {"1"})
