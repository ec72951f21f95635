"""The poller as its service runs, within this process, beside the sandbox's shop; real broker and database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer

from deploy.local.engine import Engine
from services.poller.__main__ import run
from services.poller.settings import Settings
from shared.entities.order.spec import RAW_SHOPIFY_ORDER
from shared.messaging.envelope import Envelope, read_envelope
from shared.messaging.kafka.admin import create_topics
from shared.messaging.topics import ALERT, topic_name
from shared.state.connections import Connection, ConnectionStore
from shared.state.database import Database
from tests.support.engine import service_environ
from tests.support.sandbox import Sandbox, open_sandbox

CONNECTION = "acme"
PUBLIC = "http://127.0.0.1:9"  # nobody listens there: what is sent fails
QUICK = {
    "POLL_SECONDS": "0.1", "SUBSCRIPTION_CHECK_SECONDS": "0.3", "SHOPIFY_POINTS_PER_SECOND": "0",
    "HEARTLAND_REQUESTS_PER_SECOND": "0", "INGRESS_PUBLIC_URL": PUBLIC, "SUBSCRIPTION_OVERLAP_SECONDS": "60",
    "POLL_OVERLAP_SECONDS": "60",
}  # fmt: skip
Json = dict[str, Any]


@dataclass
class Harness:
    """One connection with its shop, and what the poller said."""

    environ: dict[str, str]
    sandbox: Sandbox
    database: Database
    notices: list[Envelope] = field(default_factory=list)
    alerts: list[Json] = field(default_factory=list)

    async def subscriptions(self) -> list[Json]:
        found: list[Json] = (await self.sandbox.control("GET", "/shopify/subscriptions"))["subscriptions"]
        return found

    async def drop(self, topic: str = "") -> None:
        await self.sandbox.control("DELETE", f"/shopify/subscriptions{f'?topic={topic}' if topic else ''}")

    async def order(self, number: int, *, webhook: bool = False) -> str:
        """An order, of which no webhook tells if not told so."""
        body = {"id": number, "name": f"#{number}", "currency": "USD", "total_price": "1.00", "webhook": webhook}
        await self.sandbox.control("POST", "/shopify/orders", {**body, "line_items": []})
        return str(number)

    def notified(self) -> set[str]:
        return {notice.subject for notice in self.notices}

    def alert(self, kind: str, *, resolved: bool = False) -> Json | None:
        told = [alert for alert in self.alerts if (alert["kind"], alert["resolved"]) == (kind, resolved)]
        return told[-1] if told else None

    @asynccontextmanager
    async def polling(self, **more: str) -> AsyncIterator[None]:
        """One replica of the poller."""
        stop = asyncio.Event()
        task = asyncio.create_task(run(Settings.from_env({**self.environ, **more}), stop))
        try:
            yield
        finally:
            stop.set()
            await asyncio.wait_for(task, 30)

    async def all_there(self) -> bool:
        return len(await self.subscriptions()) == 12

    async def until(self, what: str, found: Callable[[], Any], seconds: float = 30.0) -> Any:
        """Waits for what `found` brings, be it later."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    there = found()
                    if asyncio.iscoroutine(there):
                        there = await there
                    if there:
                        return there
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"not within {seconds:.0f} s: {what}; alerts: {self.alerts}") from None


@asynccontextmanager
async def open_harness(engine: Engine, database_url: str, topic_prefix: str) -> AsyncIterator[Harness]:
    environ = dict(service_environ(engine, topic_prefix=topic_prefix, database_url=database_url, **QUICK))
    settings = Settings.from_env(environ)
    await create_topics(settings, (RAW_SHOPIFY_ORDER, ALERT))
    async with open_sandbox() as sandbox, Database.open(database_url, 2) as database:
        await ConnectionStore(database, settings.secret_key).put(Connection(CONNECTION, credentials(sandbox)))
        harness = Harness(environ, sandbox, database)
        reading = asyncio.create_task(_read(settings, harness))
        try:
            yield harness
        finally:
            reading.cancel()
            await asyncio.wait({reading})


def credentials(sandbox: Sandbox) -> dict[str, dict[str, str]]:
    told = sandbox.world.settings
    return {
        "shopify": {
            "shop_domain": told.sandbox_shop_domain,
            "client_id": told.sandbox_client_id,
            "client_secret": told.sandbox_client_secret,
            "base_url": sandbox.url,
        },
        "heartland": {"base_url": sandbox.url, "api_token": told.sandbox_api_token},
    }


async def _read(settings: Settings, harness: Harness) -> None:
    raw, alert = (topic_name(settings.topic_prefix, topic) for topic in (RAW_SHOPIFY_ORDER, ALERT))
    consumer = AIOKafkaConsumer(
        raw, alert, bootstrap_servers=settings.kafka_bootstrap_servers, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        async for record in consumer:
            if record.topic == alert:
                harness.alerts.append(orjson.loads(record.value))
            else:
                harness.notices.append(read_envelope(record.headers, record.value))
    finally:
        await consumer.stop()
