"""The whole system for end-to-end tests: each service as a process, and the sandbox's state to compare with."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from deploy.local.stack import Stack, open_stack
from shared.canonical.hop import Hop
from shared.entities.order.spec import ORDER
from shared.state.database import Database
from shared.state.journal import Journal
from shared.state.reviews import Review, Reviews

Json = dict[str, Any]
T = TypeVar("T")

# Vendors without limits and short intervals, so that tests wait for the system and not for a clock.
FAST = {
    "SANDBOX_LATENCY_MS": "2",
    "SANDBOX_PLAN": "unlimited",
    "HEARTLAND_REQUESTS_PER_SECOND": "0",
    "HEARTLAND_MAX_IN_FLIGHT": "32",
    "HEARTLAND_TIMEOUT_SECONDS": "2",
    "SHOPIFY_READ_LAG_SECONDS": "0.5",
    "POLL_SECONDS": "0.5",
    "AWAITED_CHECK_SECONDS": "0.5",
    "PARK_SCHEDULE_SECONDS": "15,15,15,15",
    "REREAD_WINDOW_MS": "100",
    "LOG_LEVEL": "info",
}
CONNECTION_SETTINGS = {"heartland": {"read_lag_seconds": 0.5}}
# Variables of the machine's own environment that must not influence a test.
IGNORED = ("SHOPIFY_", "HEARTLAND_", "SANDBOX_", "CONNECTION_")
SECONDS = 30.0


@dataclass(frozen=True)
class StoredOrder:
    """One order as stored in the simulated Heartland, with exact numbers."""

    record: Json

    @property
    def id(self) -> str:
        return str(self.order["id"])

    @property
    def order(self) -> Json:
        order: Json = self.record["order"]
        return order

    @property
    def status(self) -> str:
        return str(self.order["status"])

    @property
    def total(self) -> Decimal:
        return Decimal(self.order["total"])

    @property
    def lines(self) -> list[tuple[str, int, str]]:
        """SKU, units and price of one unit, sorted."""
        rows = self.record["lines"]
        return sorted((row["sku"], int(row["qty"]), f"{row['adjusted_unit_price']:.2f}") for row in rows)

    @property
    def taxes(self) -> dict[str, str]:
        sums: dict[str, Decimal] = {}
        for row in self.record["taxes"]:
            sums[row["description"]] = sums.get(row["description"], Decimal(0)) + Decimal(row["value"])
        return {title: f"{value:.2f}" for title, value in sums.items()}

    @property
    def payments(self) -> list[str]:
        return sorted((f"{row['amount']:.2f}" for row in self.record["payments"]), key=Decimal)

    @property
    def invoices(self) -> list[Json]:
        invoices: list[Json] = self.record["invoices"]
        return invoices


@dataclass
class Bridge:
    """A running system, with methods to act on it and to read its state."""

    stack: Stack
    session: aiohttp.ClientSession
    database: Database
    numbers: count[int] = field(default_factory=lambda: count(3001))

    # The sandbox

    async def control(self, method: str, path: str, body: object = None) -> Any:
        """A call to /_sandbox/...; fails the test on anything but a success."""
        status, answer = await self._call(method, f"{self.stack.sandbox_url}/_sandbox{path}", body)
        assert status < 300, f"{method} {path} answered {status}: {answer}"
        return answer

    async def _call(self, method: str, url: str, body: object = None) -> tuple[int, Any]:
        async with self.session.request(method, url, json=body) as response:
            return response.status, json.loads(await response.text(), parse_float=Decimal)

    async def post(self, document: Json) -> str:
        """Creates or changes an order in the shop, which then sends its webhooks; returns its id."""
        return str((await self.control("POST", "/shopify/orders", document))["id"])

    async def faults(self, *faults: Json) -> None:
        await self.control("POST", "/faults", {"faults": list(faults)})

    async def fault_hits(self) -> int:
        return sum(fault["hits"] for fault in (await self.control("GET", "/faults"))["faults"])

    async def shopify(self, order_id: str) -> Json:
        """The order as stored in the shop, with fulfilments and metafields."""
        found: Json = await self.control("GET", f"/shopify/orders/{order_id}")
        return found

    async def ship(self, stored: StoredOrder, lines: Sequence[Json] | None = None, **tracking: str) -> Json:
        body: Json = {**tracking} if lines is None else {"lines": list(lines), **tracking}
        shipped: Json = await self.control("POST", f"/heartland/orders/{stored.id}/ship", body)
        return shipped

    async def change_invoice(self, invoice_id: int, changes: Json) -> str:
        """Changes an invoice as a user of Heartland would; returns its `updated_at`, in whole seconds."""
        url = f"{self.stack.sandbox_url}/api/sales/invoices/{invoice_id}"
        headers = {"Authorization": "Bearer sandbox-api-token"}
        async with self.session.put(url, json=changes, headers=headers) as response:
            assert response.status == 200
            return str((await response.json())["updated_at"])

    async def writes(self, system: str) -> list[Json]:
        """Every write that the vendor received, in order of arrival."""
        entries: list[Json] = (await self.control("GET", f"/journal?system={system}"))["entries"]
        return entries

    async def created(self, order_id: str) -> list[Json]:
        """The successful creates of a Heartland order for this Shopify order: exactly one if all is well."""
        return [
            entry
            for entry in await self.writes("heartland")
            if entry["method"] == "POST"
            and entry["path"].endswith("/sales/orders")
            and entry["status"] < 300
            and entry["body"]["custom"]["shopify_order_id"] == order_id
        ]

    async def fulfilled(self, order_id: str) -> list[Json]:
        """The successful creates of fulfilments of this Shopify order."""
        known = {str(row["id"]) for row in (await self.shopify(order_id))["fulfillment_orders"]}
        entries = [entry for entry in await self.writes("shopify") if entry["operation"] == "fulfillmentCreate"]
        return [
            entry for entry in entries if any(f"FulfillmentOrder/{one}" in json.dumps(entry["body"]) for one in known)
        ]

    # Waiting

    async def heartland_order(self, order_id: str) -> StoredOrder | None:
        """The Heartland order of this Shopify order, or None if it does not exist yet."""
        name = (await self.shopify(order_id))["name"].removeprefix("#")
        for public_id in (f"S-{name}", f"S-{name}-{order_id}"):
            url = f"{self.stack.sandbox_url}/_sandbox/heartland/orders/{public_id}"
            status, record = await self._call("GET", url)
            if status == 200 and record["order"]["custom"].get("shopify_order_id") == order_id:
                return StoredOrder(record)
        return None

    async def in_heartland(
        self,
        order_id: str,
        when: Callable[[StoredOrder], bool] = lambda stored: stored.status == "open",
        seconds: float = SECONDS,
    ) -> StoredOrder:
        """Waits until the order in Heartland satisfies `when` (by default: is open); it was created exactly once."""

        async def there() -> StoredOrder | None:
            stored = await self.heartland_order(order_id)
            return stored if stored and when(stored) else None

        stored = await self.until(f"order {order_id} in the expected state in Heartland", there, seconds, order_id)
        assert len(await self.created(order_id)) == 1
        return stored

    async def review(self, order_id: str, kind: str) -> Review:
        """Waits for the open review of this kind about this order."""

        async def there() -> Review | None:
            found = await Reviews(self.database).list()
            return next((row for row in found if (row.key, row.kind) == (order_id, kind)), None)

        return await self.until(f"review {kind} of order {order_id}", there, order_id=order_id)

    async def open_reviews(self, order_id: str) -> list[str]:
        return [row.kind for row in await Reviews(self.database).list() if row.key == order_id]

    async def deliveries(self, order_id: str) -> list[Json]:
        """The webhook deliveries about this order with their outcomes, oldest first."""
        name = (await self.shopify(order_id))["name"]
        rows = (await self.control("GET", "/shopify/deliveries"))["deliveries"]
        return [row for row in rows if row["resource"] in (name, order_id)]

    async def story(self, query: str) -> list[Hop]:
        return await Journal(self.database).story(self.stack.connection, query, (ORDER.name,))

    async def hop(self, order_id: str, service: str, *outcomes: str, entity: str = "order") -> Hop:
        """Waits until the journal has a hop of this service for the order with one of these outcomes."""

        async def there() -> Hop | None:
            hops = [hop for hop in await self.story(order_id) if (hop.service, hop.entity) == (service, entity)]
            return next((hop for hop in hops if hop.outcome in outcomes), None)

        return await self.until(
            f"a hop of {service} for {order_id} with the outcome {' or '.join(outcomes)}", there, order_id=order_id
        )

    async def until(
        self, what: str, found: Callable[[], Awaitable[T | None]], seconds: float = SECONDS, order_id: str = ""
    ) -> T:
        """Waits for a truthy result of `found` and returns it. On timeout fails the test with the order's trace."""
        deadline = time.monotonic() + seconds
        while not (there := await found()):
            if time.monotonic() > deadline:
                raise AssertionError(
                    f"timed out after {seconds:.0f} s waiting for {what}{await self._diagnosis(order_id)}"
                )
            await asyncio.sleep(0.1)
        return there

    async def _diagnosis(self, order_id: str) -> str:
        if not order_id:
            return ""
        stored = await self.heartland_order(order_id)
        state = (stored.status, stored.total, stored.lines, stored.payments) if stored else "nothing"
        hops = [f"{hop.service}: {hop.outcome} {hop.detail}" for hop in await self.story(order_id)]
        return f"\nin Heartland: {state}\n" + "\n".join(hops)

    # Services

    def address(self, service: str) -> str:
        return self.stack.supervisor.states[service].launch.url

    async def metric(self, service: str, name: str, **labels: str) -> float:
        """The sum of a service's samples of this name with these labels; 0 for none."""
        async with self.session.get(f"{self.address(service)}/metrics") as response:
            families = text_string_to_metric_families(await response.text())
        samples = (sample for family in families for sample in family.samples if sample.name == f"tillbridge_{name}")
        return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())

    async def kill(self, service: str, seconds: float = SECONDS) -> None:
        """Kills a service with SIGKILL and waits until its replacement is ready."""
        state = self.stack.supervisor.states[service]
        before = state.pid
        await self.stack.supervisor.kill(service)

        async def back() -> bool:
            return state.pid != before and state.state == "ready"

        await self.until(f"{service} to be back", back, seconds)

    async def all_ready(self, seconds: float = SECONDS) -> None:
        async def ready() -> bool:
            return {state.state for state in self.stack.supervisor.states.values()} == {"ready"}

        await self.until("every service to be ready", ready, seconds)


def connection_settings(folder: Path) -> Path:
    path = folder / "connection.json"
    path.write_text(json.dumps(CONNECTION_SETTINGS), encoding="utf-8")
    return path


@asynccontextmanager
async def open_bridge(
    folder: Path,
    given: Mapping[str, str] | None = None,
    *,
    data: Path | None = None,
    subscribes: bool = False,
) -> AsyncIterator[Bridge]:
    """Starts a system with its logs in `folder`; its own broker and database use `data` unless `given` names others."""
    settings = connection_settings(folder)
    environ = {name: value for name, value in os.environ.items() if not name.startswith(IGNORED)}
    overrides = {**FAST, "CONNECTION_SETTINGS_FILE": str(settings), **(given or {})}
    async with (
        open_stack(
            environ,
            folder=data or folder,
            settings_overrides=overrides,
            build=folder / "build",
            subscribes=subscribes,
        ) as stack,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session,
        Database.open(stack.environ["DATABASE_URL"], 2) as database,
    ):
        yield Bridge(stack, session, database)
