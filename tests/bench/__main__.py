"""`make bench`: ingress against simpler handlers, the pipeline against a baseline script, API calls, memory, latency.

Everything is measured in one run and compared by ratio, so that results of different machines are comparable. Missed
goals are marked.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import aiohttp
from rich.console import Console
from rich.table import Table

from deploy.local.stack import Stack, open_stack
from tests.bench import ingress, pair
from tests.bench.drain import Drain

SETTINGS = {
    "SANDBOX_LATENCY_MS": "0",
    "SANDBOX_PLAN": "unlimited",
    "HEARTLAND_REQUESTS_PER_SECOND": "0",
    "HEARTLAND_MAX_IN_FLIGHT": "64",
    "SHOPIFY_POINTS_PER_SECOND": "0",
    "LOG_LEVEL": "warning",
}
# `make bench PARTS=ingress` measures one part only.
PARTS = os.environ.get("PARTS", "ingress drain pair").split()
IGNORED = ("SHOPIFY_", "HEARTLAND_", "SANDBOX_", "CONNECTION_")
# name -> (goal, whether a value reaches it)
GOALS = {
    "ingress_ratio": (">= 0.80", lambda value: value >= 0.80),
    "ingress_p99_ms": ("<= 12", lambda value: value <= 12),
    "cpu_ratio": ("<= 1.4", lambda value: value <= 1.4),
    "pair_p50_ms": ("<= 10", lambda value: value <= 10),
    "pair_p99_ms": ("<= 30", lambda value: value <= 30),
    "cpu_us_per_event": ("<= 340", lambda value: value <= 340),
    "pair_duplicates": ("0", lambda value: value == 0),
    "reads_per_1000_orders": ("<= 40", lambda value: value <= 40),
}
MEANINGS = {
    "ingress_ratio": "requests per second, divided by those of the minimal handler",
    "ingress_ratio_bare": "the same, divided by those of the bare handler",
    "ingress_p99_ms": "webhook latency at 64 connections",
    "requests_per_second": "by handler",
    "p99_ms": "webhook latency by handler",
    "refused": "webhooks that ingress did not answer with 200",
    "orders_per_second": "processing a backlog of 2000 orders",
    "cpu_ms_per_order": "by service",
    "cpu_ms_per_order_baseline": "of the baseline script",
    "orders_per_second_baseline": "of the baseline script",
    "cpu_ratio": "CPU per order, divided by that of the baseline script",
    "reads_per_1000_orders": "Shopify calls to read the orders back",
    "heartland_calls_per_order": "by operation",
    "heartland_calls_per_order_sum": "of all operations",
    "rss_mb_2000": "memory after 2000 orders",
    "rss_mb_20000": "memory after 20000 orders",
    "pair_p50_ms": "two services in a row at 300 events per second: latency",
    "pair_p99_ms": "the same, 99th percentile",
    "cpu_us_per_event": "of both services at full speed",
    "pair_events_per_second": "of both services at full speed",
    "pair_duplicates": "events that reached the target twice",
}
Json = dict[str, Any]


async def run(build: Path, folder: Path) -> Json:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(IGNORED)}
    report: Json = {}
    async with aiohttp.ClientSession() as session:
        if "ingress" in PARTS:
            print("(a) ingress: requests per second against a bare and a minimal handler")
            async with _stack(environ, folder / "a", build) as stack:
                report |= await ingress.measure(stack)
            print(json.dumps(report, indent=2))
        if "drain" in PARTS:
            print("(b) (c) (d) backlog of orders: throughput and CPU, API calls, memory")
            async with _stack(environ, folder / "b", build) as stack:
                report |= await Drain(stack, session).measure()
        if "pair" in PARTS:
            print("(e) pair: two services in a row without vendor calls, latency and CPU per event")
            report |= await pair.measure(folder / "e")
    return report


def _stack(environ: dict[str, str], folder: Path, build: Path) -> AbstractAsyncContextManager[Stack]:
    return open_stack(
        environ, folder=folder, fresh=True, settings_overrides=SETTINGS, build=build, high_throughput=True
    )


def table(report: Json) -> Table:
    shown = Table("figure", "value", "goal", "meaning", title="Tillbridge bench")
    for name, value in report.items():
        goal, reached = GOALS.get(name, ("", lambda _: True))
        text = json.dumps(value, indent=1) if isinstance(value, dict) else str(value)
        shown.add_row(name, text, goal if reached(value) else f"[red]{goal} MISSED[/red]", MEANINGS.get(name, ""))
    return shown


def main() -> int:
    build = Path("build").resolve()
    build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=build) as folder:
        Path(folder).chmod(0o711)  # started by root, PostgreSQL runs as another user, who must be able to enter
        report = asyncio.run(run(build, Path(folder)))
    (build / "bench.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    Console().print(table(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
