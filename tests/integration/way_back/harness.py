"""The way back as its services run: poller, transformer and Shopify writer in this process, real broker and database.

Orders and their links stand there as the way out leaves them; the sandbox plays both vendors.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer

from deploy.local.engine import Engine
from services.poller.__main__ import run as poll
from services.poller.settings import Settings as PollerSettings
from services.shopify_writer.__main__ import run as write
from services.shopify_writer.settings import Settings as WriterSettings
from services.transformers.__main__ import run as transform
from services.transformers.settings import Settings as TransformerSettings
from shared.entities.fulfilment.spec import CANONICAL_FULFILMENT, RAW_HEARTLAND_FULFILMENT
from shared.entities.order.spec import CANONICAL_LINK
from shared.messaging.kafka.admin import create_topics
from shared.messaging.topics import ALERT, DEAD_LETTERS, TRACE, topic_name
from shared.runtime.clock import SystemClock
from shared.state.connections import Connection, ConnectionStore
from shared.state.database import Database
from shared.state.ledger import Ledger
from shared.state.links import Links
from shared.state.reviews import Reviews
from tests.support.engine import service_environ
from tests.support.sandbox import Sandbox, open_sandbox
from tests.unit.services.sandbox.heartland.till import Till

CONNECTION = "acme"
QUICK = {
    "POLL_SECONDS": "0.1", "TRANSFORMER_ENTITY": "fulfilment", "SHOPIFY_READ_LAG_SECONDS": "0.3",
    "HEARTLAND_REQUESTS_PER_SECOND": "0", "HEARTLAND_MAX_IN_FLIGHT": "20", "SHOPIFY_POINTS_PER_SECOND": "0",
    "HEARTLAND_TIMEOUT_SECONDS": "0.5", "PARK_SCHEDULE_SECONDS": "0.2,0.2,0.2,0.5,0.5,1,1,2", "LANE_ATTEMPTS": "2",
}  # fmt: skip
SERVICES: dict[str, tuple[Any, Any]] = {
    "poller": (poll, PollerSettings),
    "transformer": (transform, TransformerSettings),
    "writer": (write, WriterSettings),
}
TOPICS = (
    RAW_HEARTLAND_FULFILMENT,
    CANONICAL_FULFILMENT,
    CANONICAL_LINK,
    ALERT,
    TRACE,
    DEAD_LETTERS["transformers"],
    DEAD_LETTERS["shopify_writer"],
)
Json = dict[str, Any]


@dataclass
class Harness:
    """One shop with one account, and what the services said about each event."""

    environ: dict[str, str]
    sandbox: Sandbox
    database: Database
    hops: list[Json] = field(default_factory=list)
    events: list[Json] = field(default_factory=list)
    running: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    # The shop

    async def order(self, number: int, *lines: tuple[str, int], **changes: Any) -> None:
        """An order at Shopify and open in Heartland, linked."""
        await self.in_shopify(number, *lines, **changes)
        await self.link(number, await self.in_heartland(number, *lines))

    async def in_shopify(self, number: int, *lines: tuple[str, int], **changes: Any) -> None:
        rows = [
            {"id": number * 10 + index, "sku": sku, "title": sku, "quantity": quantity, "price": "1.00"}
            for index, (sku, quantity) in enumerate(lines, start=1)
        ]
        body = {"id": number, "name": f"#{number}", "currency": "USD", "total_price": "1.00", "line_items": rows}
        await self.sandbox.control("POST", "/shopify/orders", {**body, **changes})

    async def in_heartland(self, number: int, *lines: tuple[str, int]) -> int:
        till = Till(self.sandbox)
        order = await till.order(public_id=f"S-{number}")
        for sku, quantity in lines:
            item = await self.sandbox.control("POST", "/heartland/items", {"public_id": sku, "price": "1.00"})
            await till.line(order, item["id"], quantity, price=1)
        await till.put(f"sales/orders/{order}", {"status": "open"})
        return order

    async def link(self, number: int, heartland_id: int) -> None:
        await Links(self.database).put(CONNECTION, "order", str(number), str(heartland_id), f"S-{number}")

    async def ship(self, number: int, *lines: tuple[str, int], **tracking: str) -> int:
        """One invoice over these lines, or over all that is left; its id."""
        body: Json = dict(tracking)
        if lines:
            body["lines"] = [{"sku": sku, "qty": quantity} for sku, quantity in lines]
        answer = await self.sandbox.control("POST", f"/heartland/orders/S-{number}/ship", body)
        return int(answer["invoice_id"])

    async def fulfilments(self, number: int) -> list[Json]:
        picture = await self.sandbox.control("GET", f"/shopify/orders/{number}")
        found: list[Json] = picture["fulfillments"]
        return found

    async def units(self, number: int) -> list[dict[str, int]]:
        rows = await self.fulfilments(number)
        return [{line["sku"]: line["quantity"] for line in row["line_items"]} for row in rows]

    async def created(self) -> int:
        """How many fulfilments Shopify was made to create in all."""
        writes = await self.sandbox.journal("shopify")
        return sum(entry["operation"] == "fulfillmentCreate" for entry in writes)

    # What is known about it

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.database, SystemClock())

    @property
    def reviews(self) -> Reviews:
        return Reviews(self.database)

    def outcomes(self, number: int, service: str = "shopify_writer") -> list[str]:
        return [hop["outcome"] for hop in self.hops if hop["key"] == str(number) and hop["service"] == service]

    # The services

    def start(self, *names: str) -> None:
        for name in names or tuple(SERVICES):
            run, settings = SERVICES[name]
            self.running[name] = asyncio.create_task(run(settings.from_env(self.environ), asyncio.Event()))

    async def kill(self, *names: str) -> None:
        """Torn down without a word, wherever they stand."""
        for name in names or tuple(self.running):
            task = self.running.pop(name)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def check(self) -> None:
        """No service has crashed."""
        for name, task in self.running.items():
            assert not task.done(), f"{name} ended: {task}"


@asynccontextmanager
async def open_harness(engine: Engine, topic_prefix: str, database_url: str) -> AsyncIterator[Harness]:
    environ = {**service_environ(engine, topic_prefix=topic_prefix, database_url=database_url), **QUICK}
    settings = PollerSettings.from_env(environ)
    await create_topics(settings, TOPICS)
    async with open_sandbox(sandbox_plan="unlimited") as sandbox, Database.open(database_url, 2) as database:
        harness = Harness(environ, sandbox, database)
        store = ConnectionStore(database, settings.secret_key)
        await store.put(Connection(CONNECTION, credentials(sandbox)))
        async with _watching(harness, settings):
            try:
                yield harness
            finally:
                await harness.kill()


def credentials(sandbox: Sandbox) -> dict[str, dict[str, str]]:
    told = sandbox.world.settings
    return {
        "heartland": {"base_url": sandbox.url, "api_token": told.sandbox_api_token},
        "shopify": {
            "base_url": sandbox.url,
            "shop_domain": told.sandbox_shop_domain,
            "client_id": told.sandbox_client_id,
            "client_secret": told.sandbox_client_secret,
        },
    }


@asynccontextmanager
async def _watching(harness: Harness, settings: PollerSettings) -> AsyncIterator[None]:
    prefix = settings.topic_prefix
    sinks = {topic_name(prefix, TRACE): harness.hops, topic_name(prefix, CANONICAL_FULFILMENT): harness.events}
    reader = AIOKafkaConsumer(*sinks, bootstrap_servers=settings.kafka_bootstrap_servers, auto_offset_reset="earliest")

    async def read() -> None:
        async for record in reader:
            body = orjson.loads(record.value)
            sinks[record.topic].extend(body if isinstance(body, list) else [body])

    await reader.start()
    task = asyncio.create_task(read())
    try:
        yield
    finally:
        task.cancel()
        await reader.stop()
