"""Plugs are pulled while orders and shipments flow: in the end everything is there exactly once, to the cent."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import psutil
import pytest

from services.sandbox.demo import orders as demo_orders
from tests.support.processes import ROOT, is_running
from tests.support.stack import IGNORED, Bridge, Json, StoredOrder, open_bridge

pytestmark = pytest.mark.timeout(180)

SEED = 11
PER_SECOND = 10.0
SECONDS = 90.0
STOP_SECONDS = 15.0
WRITES = "^(POST|PUT|DELETE) "
# Applied, but the caller is not told: it hears a failure, or nothing until it gives up.
UNRELIABLE = (
    {"system": "heartland", "kind": "error_after", "operation": WRITES, "rate": 0.04},
    {"system": "heartland", "kind": "timeout_after", "operation": WRITES, "rate": 0.03, "seconds": 3},
)
Plug = Callable[[Bridge], Awaitable[None]]


@pytest.fixture(scope="module")
async def own(tmp_path_factory: pytest.TempPathFactory, engine_folder: Path) -> AsyncIterator[Bridge]:
    """A system whose broker and database may be killed: nobody else's."""
    async with open_bridge(tmp_path_factory.mktemp("plugs"), data=engine_folder / "plugs") as opened:
        yield opened
        await opened.faults()


@dataclass
class Day:
    """Orders that are placed at a steady rate, and shipped in their order as soon as they are open."""

    bridge: Bridge
    documents: list[Json] = field(default_factory=list)
    shipped: int = 0
    _placed: asyncio.Queue[Json | None] = field(default_factory=asyncio.Queue)

    async def place(self, count: int) -> None:
        started = time.monotonic()
        for index in range(count):
            await asyncio.sleep(max(0.0, started + index / PER_SECOND - time.monotonic()))
            document = demo_orders.order(SEED, next(self.bridge.numbers), datetime.now(UTC))
            await self.bridge.post(document)
            self.documents.append(document)
            self._placed.put_nowait(document)
        self._placed.put_nowait(None)

    async def ship(self) -> None:
        while document := await self._placed.get():
            books = await self.bridge.in_heartland(str(document["id"]), seconds=SECONDS)
            await self.bridge.ship(books, tracking_number=f"1Z{document['name'][1:]}", carrier="UPS")
            self.shipped += 1

    async def reaches(self, shipped: int) -> None:
        async def there() -> bool:
            return self.shipped >= shipped

        await self.bridge.until(f"{shipped} shipped orders", there, SECONDS)


async def live_through(bridge: Bridge, count: int, pull: Callable[[Day], Awaitable[None]]) -> list[Json]:
    """`count` orders and their shipments, while `pull` does its worst."""
    day = Day(bridge)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(day.place(count))
        tasks.create_task(day.ship())
        tasks.create_task(pull(day))
    return day.documents


async def check_all(bridge: Bridge, documents: list[Json]) -> None:
    """The sandbox's own books against what was sent: every order once, exact, and shipped once."""
    for document in documents:
        await fulfilled(bridge, document)
    made = Counter(
        entry["body"]["custom"]["shopify_order_id"]
        for entry in await bridge.writes("heartland")
        if entry["method"] == "POST" and entry["path"].endswith("/sales/orders") and entry["status"] < 300
    )
    for document in documents:
        books = await bridge.heartland_order(str(document["id"]))
        assert books is not None
        assert made[str(document["id"])] == 1, document["name"]
        check_exact(document, books)
        check_shipped_once(document, await bridge.shopify(str(document["id"])))


async def fulfilled(bridge: Bridge, document: Json) -> None:
    async def there() -> bool:
        return bool((await bridge.shopify(str(document["id"])))["fulfillments"])

    await bridge.until(f"{document['name']} shipped in Shopify", there, SECONDS, str(document["id"]))


def check_exact(document: Json, books: StoredOrder) -> None:
    units: Counter[str] = Counter()
    for sku, quantity, _ in books.lines:
        units[sku] += quantity
    paid = sorted((f"{Decimal(sale['amount']):.2f}" for sale in document["transactions"]), key=Decimal)
    taxes = sum((Decimal(amount) for amount in books.taxes.values()), Decimal(0))
    assert units == sold(document), document["name"]
    assert books.total == Decimal(document["total_price"]), document["name"]
    assert taxes == Decimal(document["total_tax"]), document["name"]
    assert books.payments == paid, document["name"]
    assert len(books.invoices) == 1


def check_shipped_once(document: Json, state: Json) -> None:
    (made,) = state["fulfillments"]
    units: Counter[str] = Counter()
    for line in made["line_items"]:
        units[line["sku"]] += line["quantity"]
    assert units == sold(document), document["name"]
    assert made["tracking_number"] == f"1Z{document['name'][1:]}"


def sold(document: Json) -> Counter[str]:
    units: Counter[str] = Counter()
    for line in document["line_items"]:
        units[line["sku"]] += line["quantity"]
    return units


@pytest.mark.capability("S5", "S28")
async def test_services_are_killed_one_after_another_while_heartlands_answers_get_lost(own: Bridge) -> None:
    await own.faults(*UNRELIABLE)

    async def pull(day: Day) -> None:
        for shipped, service in (
            (2, "heartland-writer"),
            (8, "transformer-order"),
            (14, "shopify-writer"),
            (18, "journal"),
        ):
            await day.reaches(shipped)
            await own.kill(service)

    documents = await live_through(own, 40, pull)

    await check_all(own, documents)
    assert await own.fault_hits() > 0


@pytest.mark.capability("S5")
async def test_the_broker_is_killed_and_comes_back(own: Bridge) -> None:
    await own.faults()
    broker = own.stack.engine.broker
    assert broker is not None

    async def pull(day: Day) -> None:
        await day.reaches(2)
        await broker.kill()
        await broker.restart()

    documents = await live_through(own, 20, pull)

    await check_all(own, documents)
    await own.all_ready()


@pytest.mark.capability("S5")
async def test_the_database_is_killed_and_comes_back(own: Bridge) -> None:
    await own.faults()
    database = own.stack.engine.database
    assert database is not None

    async def pull(day: Day) -> None:
        await day.reaches(2)
        await database.kill()
        await database.restart()

    documents = await live_through(own, 20, pull)

    await check_all(own, documents)
    await own.all_ready()


@pytest.mark.capability("S29")
async def test_heartland_is_away_until_the_breaker_has_opened_and_tried_again(own: Bridge) -> None:
    await own.faults()
    restarts = {name: state.restarts for name, state in own.stack.supervisor.states.items()}

    async def pull(day: Day) -> None:
        await day.reaches(2)
        await own.faults({"system": "heartland", "kind": "outage", "operation": "."})
        await own.until("the breaker to open", lambda: breaker_is(own, 2))
        # The one try after ten seconds fails, too.
        before = await own.fault_hits()
        await own.until("a try while the breaker is open", lambda: hit_again(own, before))
        await own.faults()

    documents = await live_through(own, 20, pull)

    await check_all(own, documents)
    assert {name: state.restarts for name, state in own.stack.supervisor.states.items()} == restarts


async def breaker_is(bridge: Bridge, state: int) -> bool:
    return await bridge.metric("heartland-writer", "breaker_state", system="heartland") == state


async def hit_again(bridge: Bridge, before: int) -> bool:
    return await bridge.fault_hits() > before


async def test_a_run_that_is_told_to_stop_leaves_within_seconds_and_leaves_nothing_running(
    engine_folder: Path, tmp_path: Path
) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(IGNORED)}
    run = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.cli", "run", "--orders", "30", "--folder", str(engine_folder / "run"),
        cwd=tmp_path,
        env={**environ, "PYTHONPATH": str(ROOT), "SANDBOX_LATENCY_MS": "2"},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        await running(run, tmp_path / "build" / "run.json")
        children = [child.pid for child in psutil.Process(run.pid).children(recursive=True)]
        asked = time.monotonic()
        run.send_signal(signal.SIGTERM)
        code = await asyncio.wait_for(run.wait(), STOP_SECONDS)
    finally:
        if run.returncode is None:
            run.kill()
            await run.wait()

    # Sandbox, seven services, broker, database, and what watches over them.
    assert len(children) >= 10
    assert code == 0
    assert time.monotonic() - asked < STOP_SECONDS
    assert [pid for pid in children if is_running(pid)] == []
    assert services_of(tmp_path / "build" / "run.json") == []


def services_of(run_json: Path) -> list[Json]:
    """None before the run is ready."""
    if not run_json.exists():
        return []
    services: list[Json] = json.loads(run_json.read_text(encoding="utf-8"))["services"]
    return services


async def running(run: asyncio.subprocess.Process, run_json: Path) -> None:
    """Waits until the run says where everything is: orders are on their way then."""
    deadline = time.monotonic() + SECONDS
    while not services_of(run_json):
        assert run.returncode is None, (await run.stderr.read()).decode() if run.stderr else ""
        assert time.monotonic() < deadline, "the run did not get ready"
        await asyncio.sleep(0.1)
