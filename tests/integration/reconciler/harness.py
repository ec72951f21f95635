"""Both ways as their services run, in this process, with real broker and database; passes are made by the test."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from prometheus_client import CollectorRegistry

from deploy.local.engine import Engine
from services.heartland_writer.__main__ import run as write_heartland
from services.heartland_writer.settings import Settings as HeartlandSettings
from services.journal.__main__ import run as keep
from services.journal.settings import Settings as JournalSettings
from services.poller.__main__ import run as poll
from services.poller.settings import Settings as PollerSettings
from services.reconciler.__main__ import run as reconcile
from services.reconciler.settings import Settings
from services.shopify_writer.__main__ import run as write_shopify
from services.shopify_writer.settings import Settings as ShopifySettings
from services.transformers.__main__ import run as transform
from services.transformers.settings import Settings as TransformerSettings
from shared.entities.order.spec import RAW_SHOPIFY_ORDER
from shared.entities.table import topics
from shared.errors import TargetDown
from shared.messaging.envelope import Envelope, new_traceparent
from shared.messaging.kafka.admin import create_topics
from shared.operations.comparison.parts import Parts, open_parts
from shared.operations.comparison.passes import Outcome
from shared.operations.comparison.subjects import subject_of
from shared.runtime.clock import SystemClock
from shared.runtime.metrics import ServiceMetrics
from shared.state.connections import Connection, Connections, ConnectionStore
from shared.state.database import Database
from shared.state.drift import Drift, DriftLedger
from shared.state.reviews import Reviews
from tests.integration.way_back.harness import credentials
from tests.support.documents import a_document
from tests.support.engine import service_environ
from tests.support.sandbox import Sandbox, open_sandbox, sandbox_settings

SUBJECT = subject_of("order")

CONNECTION = "acme"
SECONDS = 60.0
QUICK = {
    "HEARTLAND_REQUESTS_PER_SECOND": "0", "HEARTLAND_MAX_IN_FLIGHT": "20", "SHOPIFY_POINTS_PER_SECOND": "0",
    "HEARTLAND_TIMEOUT_SECONDS": "2", "SHOPIFY_READ_LAG_SECONDS": "0.1", "POLL_SECONDS": "0.1",
    "PARK_SCHEDULE_SECONDS": "0.2,0.5,1", "LANE_ATTEMPTS": "2", "REREAD_WINDOW_MS": "20",
    "RECONCILE_SETTLING_SECONDS": "0", "RECONCILE_RECHECK_SECONDS": "0.01",
}  # fmt: skip
SERVICES: dict[str, tuple[Any, Any, dict[str, str]]] = {
    "orders": (transform, TransformerSettings, {"TRANSFORMER_ENTITY": "order"}),
    "shipments": (transform, TransformerSettings, {"TRANSFORMER_ENTITY": "fulfilment"}),
    "heartland_writer": (write_heartland, HeartlandSettings, {}),
    "shopify_writer": (write_shopify, ShopifySettings, {}),
    "poller": (poll, PollerSettings, {}),
    "journal": (keep, JournalSettings, {}),
    "reconciler": (reconcile, Settings, {}),
    "another reconciler": (reconcile, Settings, {}),
}
# All but the poller, which would find a shipment by itself; and the reconciler, whose passes tests make.
WITHOUT_POLLER = ("orders", "shipments", "heartland_writer", "shopify_writer", "journal")
Json = dict[str, Any]


@dataclass
class Harness:
    """One shop, one account, and the reconciler's parts. No webhook arrives here: only `tell` says what changed."""

    environ: Mapping[str, str]
    sandbox: Sandbox
    database: Database
    parts: Parts
    running: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    told: int = 0

    # The vendors

    async def order(self, number: int, **changes: Any) -> str:
        """Puts an order of two tees into the shop; its id."""
        answer = await self.sandbox.control("POST", "/shopify/orders", a_document(number, **changes))
        return str(answer["id"])

    async def in_heartland(self, number: int) -> Json | None:
        """The order with all its parts, None while it is not there."""
        async with self.sandbox.session.get(f"{self.sandbox.url}/_sandbox/heartland/orders/S-{number}") as response:
            return dict(await response.json()) if response.status == 200 else None

    async def arrived(self, number: int, when: Callable[[Json], bool] = lambda picture: True) -> Json:
        """Waits until Heartland has the order open, and as `when` wants it."""

        async def there() -> Json | None:
            picture = await self.in_heartland(number)
            return picture if picture and picture["order"]["status"] == "open" and when(picture) else None

        return await self.until(f"order {number} in Heartland", there)

    async def ship(self, number: int, *lines: tuple[str, int]) -> int:
        """One invoice over these lines, or over all that is left; its id."""
        body: Json = {"lines": [{"sku": sku, "qty": quantity} for sku, quantity in lines]} if lines else {}
        answer = await self.sandbox.control("POST", f"/heartland/orders/S-{number}/ship", body)
        return int(answer["invoice_id"])

    async def units(self, order_id: str) -> list[int]:
        """Units of each fulfilment that Shopify holds."""
        picture = await self.sandbox.control("GET", f"/shopify/orders/{order_id}")
        return [sum(line["quantity"] for line in one["line_items"]) for one in picture["fulfillments"]]

    async def created(self, system: str, what: str) -> int:
        """How many calls made a record: an order in Heartland, or a fulfilment in Shopify."""
        entries = await self.sandbox.journal(system)
        if system == "shopify":
            return sum(entry["operation"] == what for entry in entries)
        return sum(entry["method"] == "POST" and entry["path"].endswith(what) for entry in entries)

    # The road

    async def tell(self, order_id: str) -> None:
        """The webhook that says that the order changed."""
        self.told += 1
        event = Envelope(
            id=f"webhook:{self.told}",
            source="shopify",
            type="shopify.orders/updated",
            time=self.parts.clock.now(),
            connection=CONNECTION,
            entity="order",
            subject=order_id,
            body=b"{}",
            traceparent=new_traceparent(),
        )

        async def sent() -> bool:
            # A broker that has just made all these topics may be slow to take the first record.
            with suppress(TargetDown):
                await self.parts.producer.send(RAW_SHOPIFY_ORDER, event)
                return True
            return False

        await self.until("the broker to take it", sent)

    def start(self, *names: str) -> None:
        for name in names:
            run, settings, more = SERVICES[name]
            self.running[name] = asyncio.create_task(run(settings.from_env({**self.environ, **more}), asyncio.Event()))

    async def kill(self, *names: str) -> None:
        """Torn down without a word, wherever they stand."""
        for name in names or tuple(self.running):
            task = self.running.pop(name)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    # The reconciler

    async def compare(self, entity: str = "", *, act: bool = True) -> Outcome:
        """One pass over everything that changed in the last day."""
        one = self.parts.pass_over(CONNECTION, SUBJECT)
        keys = await one.changed_since(self.parts.clock.now() - timedelta(days=60), everything=True)
        return await one.compare(keys, (entity,) if entity else (), act=act)

    async def acted(self) -> Outcome:
        """Passes until one sends something through, asks a person, or meets a cap; that one."""

        async def found() -> Outcome | None:
            outcome = await self.compare()
            return outcome if outcome.repaired or outcome.reviews or outcome.above_cap else None

        outcome: Outcome = await self.until("a pass that acts", found)
        return outcome

    async def echoed(self, order_id: str) -> None:
        """Waits until the writer has had all that was told of this order."""

        async def ended() -> bool:
            sql = "select from journal where key = $1 and service = 'heartland_writer' and $2 = any(lineage)"
            return bool(await self.database.fetch(sql, order_id, f"webhook:{self.told}"))

        await self.until("the writer to have had it", ended)

    async def agreed(self) -> None:
        """Waits until passes find nothing, and everything that was found is over."""

        async def over() -> bool:
            return (await self.compare()).compared > 0 and await self.drift() == []

        await self.until("both sides to agree", over)

    async def drift(self, *states: str) -> list[Drift]:
        return await DriftLedger(self.database).list(states or ("open", "repairing", "review"))

    async def kinds(self, *states: str) -> list[str]:
        return sorted(row.kind for row in await self.drift(*states))

    @property
    def reviews(self) -> Reviews:
        return Reviews(self.database)

    async def until(self, what: str, found: Callable[[], Awaitable[Any]], seconds: float = SECONDS) -> Any:
        deadline = time.monotonic() + seconds
        while not (there := await found()):
            for name, task in self.running.items():
                assert not task.done(), f"{name} ended: {task}"
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {seconds:.0f} s: {what}\n{await self._diagnosis()}")
            await asyncio.sleep(0.05)
        return there

    async def _diagnosis(self) -> str:
        hops = await self.database.fetch("select service, entity, outcome, detail from journal order by finished_at")
        parked = await self.database.fetch("select service, key, reason from parked_keys")
        reviews = [(row.kind, row.title) for row in await self.reviews.list()]
        return "\n".join(map(str, [*map(tuple, hops), *map(tuple, parked), *reviews]))


@asynccontextmanager
async def open_harness(engine: Engine, topic_prefix: str, database_url: str, **more: str) -> AsyncIterator[Harness]:
    environ = {**service_environ(engine, topic_prefix=topic_prefix, database_url=database_url), **QUICK, **more}
    settings = Settings.from_env(environ)
    await create_topics(settings, topics())
    async with open_sandbox(sandbox_plan="unlimited") as sandbox, Database.open(database_url, 4) as database:
        store = ConnectionStore(database, settings.secret_key)
        await store.put(
            Connection(
                CONNECTION,
                credentials(sandbox),
                sandbox_settings(read_lag_seconds=0.1),
            )
        )
        connections = Connections(await store.all())
        metrics = ServiceMetrics("reconciler", CollectorRegistry())
        async with open_parts(settings, database, connections, metrics, SystemClock()) as parts:
            harness = Harness(environ, sandbox, database, parts)
            try:
                yield harness
            finally:
                await harness.kill()
