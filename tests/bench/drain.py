"""Parts (b), (c), (d): processes a backlog of orders; measures throughput, CPU, API calls and memory per service."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import aiohttp
import psutil
from prometheus_client.parser import text_string_to_metric_families

from deploy.local.stack import Stack
from shared.entities.order.spec import RAW_SHOPIFY_ORDER
from tests.smoke.shop import Shop, until

SEED = 11
QUEUED = 2_000
MANY = 20_000
# The services that write an order to Heartland and its ids back to Shopify; the baseline script does the same work.
PIPELINE = ("transformer-order", "heartland-writer", "shopify-writer", "journal")
Json = dict[str, Any]


class Drain:
    """A running system whose consumers can be paused."""

    def __init__(self, stack: Stack, session: aiohttp.ClientSession) -> None:
        self._stack = stack
        self._session = session
        self._shop = Shop(session, str(stack.sandbox_url))
        self._services = {
            entry["name"]: entry for entry in json.loads(stack.run_json.read_text(encoding="utf-8"))["services"]
        }
        self._processes = {name: psutil.Process(entry["pid"]) for name, entry in self._services.items()}
        self._open = 0

    async def measure(self) -> Json:
        await self._shop.place(1, SEED)
        await self._until_open(1)
        first = await self._drain(range(1001, 1001 + QUEUED))
        rss_2000 = self._rss()
        calls = await self._calls(QUEUED)
        print(json.dumps({**first, **calls, "rss_mb_2000": rss_2000}, indent=2))
        await self._feed(range(10_001, 10_001 + MANY - QUEUED))
        rss_20000 = self._rss()
        baseline = await self._baseline(range(50_001, 50_001 + QUEUED))
        product = sum(first["cpu_ms_per_order"][name] for name in PIPELINE)
        return {
            **first,
            "cpu_ms_per_order_baseline": baseline["cpu_ms_per_order"],
            "orders_per_second_baseline": baseline["orders_per_second"],
            "cpu_ratio": round(product / baseline["cpu_ms_per_order"], 2),
            **calls,
            "rss_mb_2000": rss_2000,
            "rss_mb_20000": rss_20000,
        }

    async def _drain(self, numbers: Sequence[int]) -> Json:
        """Queues the webhooks while their consumer is paused, resumes it, and measures until all orders are open."""
        reader = self._processes["transformer-order"]
        reader.send_signal(signal.SIGSTOP)
        try:
            await self._queue(numbers)
        finally:
            before, started = self._cpu(), time.monotonic()
            reader.send_signal(signal.SIGCONT)
        await self._until_open(len(numbers))
        seconds = time.monotonic() - started
        await self._until_quiet()
        after = self._cpu()
        return {
            "orders_per_second": round(len(numbers) / seconds, 1),
            "cpu_ms_per_order": {
                name: round(1000 * (after[name] - before[name]) / len(numbers), 3) for name in self._processes
            },
        }

    async def _feed(self, numbers: Sequence[int]) -> None:
        """Sends orders in portions, so that the backlog stays short and memory grows with the number of orders only."""
        for start in range(0, len(numbers), QUEUED):
            portion = numbers[start : start + QUEUED]
            await self._queue(portion)
            await self._until_open(len(portion))
            print(f"  {start + len(portion)} of {len(numbers)} further orders are open in Heartland")
        await self._until_quiet()

    async def _baseline(self, numbers: Sequence[int]) -> Json:
        """Runs the baseline script on as many other orders, while the services are paused."""
        held = [self._processes[name] for name in PIPELINE]
        for process in held:
            process.send_signal(signal.SIGSTOP)
        try:
            ids = await self._queue(numbers)
            return await self._run_script(ids)
        finally:
            for process in held:
                process.kill()  # it would write the script's orders again, and nothing is measured after this

    async def _run_script(self, ids: list[int]) -> Json:
        environ = self._stack.environ
        options = {
            "sandbox": self._stack.sandbox_url,
            "api_token": "sandbox-api-token",
            "app": {"client_id": "sandbox-client-id", "client_secret": "sandbox-client-secret"},
            "topic": environ.get("TOPIC_PREFIX", "") + RAW_SHOPIFY_ORDER.name,
            "bootstrap": self._stack.engine.bootstrap_servers,
            "ids": ids,
        }
        path = self._stack.folder / "baseline.json"
        path.write_text(json.dumps(options), encoding="utf-8")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.bench.baseline", "--options", str(path), stdout=asyncio.subprocess.PIPE
        )
        out, _ = await asyncio.wait_for(process.communicate(), 600)
        if process.returncode:
            raise RuntimeError("the baseline script failed")
        report: Json = json.loads(out)
        return report

    async def _queue(self, numbers: Sequence[int]) -> list[int]:
        """Places orders as fast as the sandbox accepts them; returns once ingress has acknowledged every webhook."""
        gate = asyncio.Semaphore(16)
        ids: list[int] = []

        async def place(number: int) -> None:
            async with gate:
                ids.append((await self._shop.place(number, SEED)).document["id"])

        await asyncio.gather(*(place(number) for number in numbers))
        await until("webhooks to be delivered", self._delivered, 120)
        return ids

    async def _delivered(self) -> bool:
        return not (await self._shop.get("/_sandbox/shopify/deliveries?limit=1")).get("pending", 0)

    async def _until_open(self, more: int) -> None:
        wanted = self._open + more

        async def done() -> bool:
            states = (await self._shop.get("/_sandbox/heartland/summary"))["orders_by_status"]
            return bool(states["open"] >= wanted)

        await until(f"{wanted} open orders", done, 900, poll=0.2)
        self._open = wanted

    async def _until_quiet(self) -> None:
        """Waits until no consumer has lag."""

        async def quiet() -> bool:
            return all([await self._lag(name) == 0 for name in PIPELINE])

        await until("consumers without lag", quiet, 120)

    async def _lag(self, name: str) -> float:
        return sum(value for sample, _, value in await self._samples(name) if sample == "tillbridge_lag_messages")

    async def _samples(self, name: str) -> list[tuple[str, dict[str, str], float]]:
        async with self._session.get(self._services[name]["metrics"]) as response:
            text = await response.text()
        return [
            (sample.name, sample.labels, sample.value)
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        ]

    async def _calls(self, orders: int) -> Json:
        """API calls per order by operation, from the services' own counters, which include the warm-up order."""
        reads = await self._api_calls(["transformer-order"])
        heartland = await self._api_calls(["heartland-writer"])
        return {
            "reads_per_1000_orders": round(1000 * sum(reads.values()) / (orders + 1), 1),
            "heartland_calls_per_order": {
                name: round(count / (orders + 1), 2) for name, count in sorted(heartland.items())
            },
            "heartland_calls_per_order_sum": round(sum(heartland.values()) / (orders + 1), 2),
        }

    async def _api_calls(self, names: Iterable[str]) -> Counter[str]:
        calls: Counter[str] = Counter()
        for name in names:
            for sample, labels, value in await self._samples(name):
                if sample == "tillbridge_api_calls_total":
                    calls[labels["operation"]] += int(value)
        return calls

    def _cpu(self) -> dict[str, float]:
        times = {name: process.cpu_times() for name, process in self._processes.items()}
        return {name: used.user + used.system for name, used in times.items()}

    def _rss(self) -> dict[str, float]:
        return {
            name: round(process.memory_info().rss / 1e6, 1)
            for name, process in self._processes.items()
            if name != "sandbox"
        }
