"""`make bench`: ingress beside simpler handlers, the drain beside a straight-line script, calls, memory, and a pair.

Everything is measured in one run and compared by ratio; goals that are missed are said, not hidden.
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
# `make bench PARTS=ingress` measures one of them.
PARTS = os.environ.get("PARTS", "ingress drain pair").split()
IGNORED = ("SHOPIFY_", "HEARTLAND_", "SANDBOX_", "CONNECTION_")
# name -> (goal, whether the value has reached it)
GOALS = {
    "ingress_ratio": (">= 0.80", lambda value: value >= 0.80),
    "ingress_p99_ms": ("<= 12", lambda value: value <= 12),
    "cpu_ratio": ("<= 1.4", lambda value: value <= 1.4),
    "pair_p50_ms": ("<= 10", lambda value: value <= 10),
    "pair_p99_ms": ("<= 30", lambda value: value <= 30),
    "cpu_us_per_event": ("<= 340", lambda value: value <= 340),
    "pair_doubled": ("0", lambda value: value == 0),
    "reads_per_1000_orders": ("<= 40", lambda value: value <= 40),
}
Json = dict[str, Any]


async def run(build: Path, folder: Path) -> Json:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(IGNORED)}
    report: Json = {}
    async with aiohttp.ClientSession() as session:
        if "ingress" in PARTS:
            print("(a) ingress")
            async with _stack(environ, folder / "a", build) as stack:
                report |= await ingress.measure(stack)
            print(json.dumps(report, indent=2))
        if "drain" in PARTS:
            print("(b) (c) (d) drain, calls, memory")
            async with _stack(environ, folder / "b", build) as stack:
                report |= await Drain(stack, session).measure()
        if "pair" in PARTS:
            print("(e) two services in a row, on the machinery alone")
            report |= await pair.measure(folder / "e")
    return report


def _stack(environ: dict[str, str], folder: Path, build: Path) -> AbstractAsyncContextManager[Stack]:
    return open_stack(
        environ, folder=folder, fresh=True, settings_overrides=SETTINGS, build=build, high_throughput=True
    )


def table(report: Json) -> Table:
    shown = Table("figure", "value", "goal", title="Tillbridge bench")
    for name, value in report.items():
        goal, reached = GOALS.get(name, ("", lambda _: True))
        text = json.dumps(value, indent=1) if isinstance(value, dict) else str(value)
        shown.add_row(name, text, goal if reached(value) else f"[red]{goal} MISSED[/red]")
    return shown


def main() -> int:
    build = Path("build").resolve()
    build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=build) as folder:
        Path(folder).chmod(0o711)  # started by root, PostgreSQL runs as somebody who must get through
        report = asyncio.run(run(build, Path(folder)))
    (build / "bench.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    Console().print(table(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
