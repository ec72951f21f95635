"""An entity joins by its own folder and one line in the table: no other file knows of it, and it goes all the way.

Its services run in this process, with the table as an argument; broker, database, sandbox and HTTP are real.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import orjson

from deploy.local.engine import Engine
from deploy.local.ports import Ports
from services.heartland_writer import __main__ as heartland_writer
from services.ingress import __main__ as ingress
from services.journal import __main__ as journal
from services.reconciler import __main__ as reconciler
from services.transformers import __main__ as transformers
from shared.connectors.shopify.signature import sign
from shared.entities.table import ENTITIES, check, topics
from shared.messaging.kafka.admin import create_topics
from shared.runtime.settings import Settings
from shared.state.connections import Connection, ConnectionStore
from shared.state.database import Database
from shared.state.drift import DriftLedger
from shared.state.journal import Journal
from tests.support.engine import new_prefix
from tests.support.sandbox import Sandbox, open_sandbox
from tests.support.shell import SECRET_KEY
from tests.support.tender.compare import IN_THE_SHOP
from tests.support.tender.record import Tender
from tests.support.tender.spec import TENDER

# The one line.
JOINED = (*ENTITIES, TENDER)
SECRET = "sandbox-client-secret"


@dataclass
class Joined:
    """The running system with the made-up entity."""

    url: str
    sandbox: Sandbox
    database: Database
    session: aiohttp.ClientSession

    async def webhook(self, tender: Tender) -> int:
        """Deliver it once; the status that ingress answers. As with Shopify, anything but 200 is to be sent again."""
        body = orjson.dumps({"tender": {**tender.model_dump(mode="json"), "id": int(tender.id)}})
        headers = {
            "X-Shopify-Topic": "tenders/update",
            "X-Shopify-Hmac-Sha256": sign(body, SECRET),
            "X-Shopify-Shop-Domain": "sandbox.myshopify.com",
            "Content-Type": "application/json",
        }
        async with self.session.post(f"{self.url}/webhooks/shopify/main", data=body, headers=headers) as response:
            return response.status

    async def created(self, name: str) -> int:
        """How often Heartland was asked to create this payment type."""
        writes = await self.sandbox.journal("heartland")
        return sum(one["path"].endswith("payment_types") and one["body"].get("name") == name for one in writes)


async def until(condition: Callable[[], Awaitable[Any]]) -> Any:
    """What `condition` gives, once it is true. Raises TimeoutError after 30 s."""
    async with asyncio.timeout(30):
        while True:
            if found := await condition():
                return found
            await asyncio.sleep(0.05)


@asynccontextmanager
async def open_joined(engine: Engine, database_url: str) -> AsyncIterator[Joined]:
    async with (
        open_sandbox() as sandbox,
        aiohttp.ClientSession() as session,
        Database.open(database_url, 2) as database,
    ):
        with Ports() as ports:
            environ = {
                "KAFKA_BOOTSTRAP_SERVERS": engine.bootstrap_servers,
                "DATABASE_URL": database_url,
                "TOPIC_PREFIX": new_prefix(),
                "SECRET_KEY": SECRET_KEY,
                "HEALTH_PORT": "0",
                "INGRESS_PORT": str(ports.reserve()),
                "TRANSFORMER_ENTITY": "tender",
                "RECONCILE_SECONDS": "0.5",
                "RECONCILE_RECHECK_SECONDS": "0.5",
                "RECONCILE_SETTLING_SECONDS": "0",
                "RECONCILE_FULL_SECONDS": "3600",
                "LOG_LEVEL": "warning",
            }
            settings = Settings.from_env(environ)
            await create_topics(settings, topics(JOINED))
            await ConnectionStore(database, SECRET_KEY).put(_connection(sandbox))
            async with _running(environ):
                yield Joined(f"http://127.0.0.1:{environ['INGRESS_PORT']}", sandbox, database, session)


def _connection(sandbox: Sandbox) -> Connection:
    shopify = {
        "shop_domain": "sandbox.myshopify.com", "client_id": "sandbox-client-id", "client_secret": SECRET,
        "base_url": sandbox.url,
    }  # fmt: skip
    return Connection(
        "main", {"shopify": shopify, "heartland": {"base_url": sandbox.url, "api_token": "sandbox-api-token"}}
    )


@asynccontextmanager
async def _running(environ: dict[str, str]) -> AsyncIterator[None]:
    """Every service that the entity needs, each its own coroutine with the longer table."""
    stop = asyncio.Event()
    services = (ingress, transformers, heartland_writer, reconciler, journal)
    async with asyncio.TaskGroup() as tasks:
        for service in services:
            tasks.create_task(service.run(service.Settings.from_env(environ), stop, JOINED))
        try:
            yield
        finally:
            stop.set()


async def test_a_made_up_entity_goes_from_its_webhook_into_heartland(engine: Engine, database_url: str) -> None:
    tender = Tender(id="71", name="Store voucher", updated_at=datetime.now(UTC))

    async with open_joined(engine, database_url) as joined:
        await until(lambda: _accepted(joined, tender))

        await until(lambda: joined.created("Store voucher"))
        hops = await until(lambda: _applied(joined, "71"))
        assert {hop.service for hop in hops} == {"ingress", "transformers", "heartland_writer"}
        await until(lambda: _accepted(joined, tender))
        await until(lambda: _with_outcome(joined, "71", "duplicate"))
        assert await joined.created("Store voucher") == 1


async def test_what_never_came_is_found_by_comparing_and_sent_through(engine: Engine, database_url: str) -> None:
    tender = Tender(id="72", name="Loyalty points", updated_at=datetime.now(UTC) - timedelta(seconds=5))
    IN_THE_SHOP[tender.id] = tender
    try:
        async with open_joined(engine, database_url) as joined:
            await until(lambda: joined.created("Loyalty points"))

            [row] = await until(lambda: _drift(joined, "72"))
            assert (row.kind, await joined.created("Loyalty points")) == ("tender_missing", 1)
    finally:
        IN_THE_SHOP.clear()


def test_the_longer_table_is_a_good_one() -> None:
    check(JOINED)


async def _accepted(joined: Joined, tender: Tender) -> bool:
    """Whether ingress takes it: it may be about to start, or ask for it to be sent again later (503)."""
    try:
        status = await joined.webhook(tender)
    except aiohttp.ClientError:
        return False
    assert status in (200, 503), status
    return status == 200


async def _applied(joined: Joined, key: str) -> Any:
    hops = await Journal(joined.database).story(None, key)
    return hops if any(hop.outcome == "applied" for hop in hops) else []


async def _with_outcome(joined: Joined, key: str, outcome: str) -> bool:
    return any(hop.outcome == outcome for hop in await Journal(joined.database).story(None, key))


async def _drift(joined: Joined, key: str) -> Any:
    rows = await DriftLedger(joined.database).list(("gone", "repaired"), "main")
    return [row for row in rows if row.key == key]
