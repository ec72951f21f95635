"""`make catchup`: measures how fast a backlog is processed after a vendor outage, and how long live orders wait.

SECONDS (60), RATE (20 events per second) and LIMIT (100 Heartland calls per second) set the size; for ten minutes at
fifty events per second: `SECONDS=600 RATE=50 make catchup`. Each order has four events during the outage (placed, then
changed three times); afterwards its newest state is written once.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from deploy.local.stack import Stack, open_stack
from tests.smoke.shop import PlacedOrder, Shop, created, opened_at, percentile, until

SEED = 5
EVENTS_PER_ORDER = 4
# The first orders warm the system up; the next ones measure latency and calls per order without a backlog.
WARM_UP, BASELINE = 15, 15
# Goals: at most 1.2 times the duration that the rate limit allows; live orders at most 2 s later than without backlog.
MAX_FACTOR, MAX_DELAY_SECONDS = 1.2, 2.0
IGNORED = ("SHOPIFY_", "HEARTLAND_", "SANDBOX_", "CONNECTION_")
Json = dict[str, Any]


def settings(limit: float) -> dict[str, str]:
    return {
        "SANDBOX_LATENCY_MS": "20",
        # Heartland's limit is to be measured; a smaller Shopify plan cannot read fifty orders per second.
        "SANDBOX_PLAN": "enterprise",
        "HEARTLAND_REQUESTS_PER_SECOND": str(limit),
        "HEARTLAND_MAX_IN_FLIGHT": "16",
        "POLL_SECONDS": "60",
        "OUTAGE_PARK_SECONDS": "5",
        "LOG_LEVEL": "warning",
    }


class WriteJournal:
    """The journal of Heartland writes, read incrementally: after a long outage it is large."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._entries: list[Json] = []

    async def entries(self) -> list[Json]:
        after = self._entries[-1]["number"] if self._entries else 0
        self._entries += await self._shop.journal("heartland", after)
        return self._entries


async def measure(stack: Stack, shop: Shop, seconds: float, rate: float, limit: float) -> Json:
    written = WriteJournal(shop)
    say("measuring orders without a backlog")
    await all_open(written, await shop.place_all(range(1001, 1001 + WARM_UP), SEED, 2.0), 120)
    unused = await heartland_calls(stack)
    before = await shop.place_all(range(1101, 1101 + BASELINE), SEED, 1.0)
    await all_open(written, before, 120)
    per_order = (await heartland_calls(stack) - unused) / BASELINE
    say(f"Heartland outage of {seconds:.0f} s with {rate:.0f} events per second")
    await shop.post("/_sandbox/faults", {"faults": [{"system": "heartland", "kind": "outage"}]})
    backlog = await outage(shop, seconds, rate)
    calls = await heartland_calls(stack)
    await shop.post("/_sandbox/faults", {"faults": []})
    healed, started = datetime.now(UTC), time.monotonic()
    say(f"Heartland is back with a backlog of {len(backlog)} orders; placing live orders meanwhile")
    async with live_orders(shop) as live:
        await all_open(written, backlog, 60 + 3 * len(backlog) * 12 / limit)
    opened = await times(written, backlog)
    drained = (max(opened) - healed).total_seconds()
    calls_made = await heartland_calls(stack) - calls
    required_calls = calls_needed(per_order, opened, await times(written, live))
    await all_open(written, live, 60)
    entries = await written.entries()
    return {
        "outage_seconds": seconds,
        "events": len(backlog) * EVENTS_PER_ORDER,
        "orders": len(backlog),
        "duplicates": sum(count - 1 for count in created(entries).values() if count > 1),
        "drain_seconds": round(drained, 1),
        "measured_seconds": round(time.monotonic() - started, 1),
        "calls": calls_made,
        "calls_needed": round(required_calls),
        "calls_per_order": round(per_order, 1),
        "limit_per_second": limit,
        "factor": round(drained / (required_calls / limit), 2),
        "live_orders": len(live),
        **live_latency(await latencies(written, before), await latencies(written, live)),
    }


def live_latency(baseline: Sequence[float], during: Sequence[float]) -> Json:
    """Latencies of live orders without and with a backlog."""
    return {
        # An order that arrives before the breaker's next probe is parked behind the backlog and counts as late.
        "live_orders_late": sum(seconds > max(baseline) + MAX_DELAY_SECONDS for seconds in during),
        "live_seconds_baseline_p95": round(percentile(baseline, 0.95), 2),
        "live_seconds_backlog_p95": round(percentile(during, 0.95), 2),
        "live_delay_seconds": round(percentile(during, 0.95) - percentile(baseline, 0.95), 2),
    }


def calls_needed(per_order: float, backlog: Sequence[datetime], live: Sequence[datetime]) -> float:
    """Calls for the backlog and for the live orders opened before its end, at the calls per order without a backlog."""
    return per_order * (len(backlog) + sum(moment <= max(backlog) for moment in live))


async def outage(shop: Shop, seconds: float, rate: float) -> list[PlacedOrder]:
    """Places and changes orders during the outage."""
    count = max(1, round(seconds * rate / EVENTS_PER_ORDER))
    placed = await shop.place_all(range(2001, 2001 + count), SEED, rate)
    for turn in range(EVENTS_PER_ORDER - 1):
        await asyncio.gather(*(change(shop, order, turn, index / rate) for index, order in enumerate(placed)))
    return placed


async def change(shop: Shop, order: PlacedOrder, turn: int, after: float) -> None:
    await asyncio.sleep(after)
    document = {**order.document, "note": f"change {turn}", "updated_at": datetime.now(UTC).isoformat()}
    await shop.post("/_sandbox/shopify/orders", document)


@asynccontextmanager
async def live_orders(shop: Shop) -> AsyncIterator[list[PlacedOrder]]:
    """Places one order per second while the context is open."""
    placed: list[PlacedOrder] = []

    async def place() -> None:
        number = 90_001
        while True:
            placed.append(await shop.place(number, SEED))
            number += 1
            await asyncio.sleep(1.0)

    task = asyncio.create_task(place())
    try:
        yield placed
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def all_open(written: WriteJournal, orders: Sequence[PlacedOrder], seconds: float) -> None:
    wanted = {order.id for order in orders}

    async def done() -> bool:
        entries = await written.entries()
        ids = {shopify: there for there, shopify in heartland_ids(entries).items()}
        opened = opened_at(entries)
        return all(ids.get(one) in opened for one in wanted)

    await until(f"{len(wanted)} orders open in Heartland", done, seconds, 2.0)


def heartland_ids(entries: Sequence[Json]) -> dict[str, str]:
    """Heartland id -> Shopify id of the created orders."""
    made = [entry for entry in entries if entry["method"] == "POST" and entry["path"].endswith("/sales/orders")]
    return {
        entry["response"]["location"].rpartition("/")[2]: str(entry["body"]["custom"]["shopify_order_id"])
        for entry in made
        if entry["status"] < 300
    }


async def times(written: WriteJournal, orders: Sequence[PlacedOrder]) -> list[datetime]:
    """When each order was opened in Heartland."""
    entries = await written.entries()
    ids, opened = heartland_ids(entries), opened_at(entries)
    at = {ids[there]: moment for there, moment in opened.items() if there in ids}
    return [at[order.id] for order in orders if order.id in at]


async def latencies(written: WriteJournal, orders: Sequence[PlacedOrder]) -> list[float]:
    entries = await written.entries()
    ids, opened = heartland_ids(entries), opened_at(entries)
    at = {ids[there]: moment for there, moment in opened.items() if there in ids}
    return [(at[order.id] - order.sent_at).total_seconds() for order in orders if order.id in at]


async def heartland_calls(stack: Stack) -> int:
    """The Heartland writer's own count of API calls."""
    url = stack.supervisor.states["heartland-writer"].launch.metrics_url
    async with aiohttp.ClientSession() as session, session.get(str(url)) as response:
        families = text_string_to_metric_families(await response.text())
    samples = (one for family in families for one in family.samples if one.name == "tillbridge_api_calls_total")
    return int(sum(one.value for one in samples))


def say(text: str) -> None:
    print(text, flush=True)


async def run(build: Path, folder: Path, seconds: float, rate: float, limit: float) -> Json:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(IGNORED)}
    async with (
        open_stack(
            environ, folder=folder, fresh=True, settings_overrides=settings(limit), build=build, tell=say
        ) as stack,
        aiohttp.ClientSession() as session,
    ):
        return await measure(stack, Shop(session, str(stack.sandbox_url)), seconds, rate, limit)


def main() -> int:
    given = [float(os.environ.get(name, usual)) for name, usual in (("SECONDS", 60), ("RATE", 20), ("LIMIT", 100))]
    build = Path("build").resolve()
    build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="catchup-", dir=build) as folder:
        Path(folder).chmod(0o711)  # started by root, PostgreSQL runs as another user, who must be able to enter
        report = asyncio.run(run(build, Path(folder), given[0], given[1], given[2]))
    (build / "catchup.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=2))
    failures = failures_of(report)
    for failure in failures:
        print(f"FAILED: {failure}", file=sys.stderr)
    return 1 if failures else 0


def failures_of(report: Json) -> list[str]:
    found = []
    if report["doubled"]:
        found.append(f"{report['duplicates']} orders were created twice")
    if report["factor"] > MAX_FACTOR:
        found.append(
            f"the backlog took {report['factor']} times the duration that the limit allows; the goal is {MAX_FACTOR}"
        )
    if report["live_delay_seconds"] > MAX_DELAY_SECONDS:
        found.append(
            f"live orders were {report['live_delay_seconds']} s later than without a backlog; "
            f"the goal is {MAX_DELAY_SECONDS:.0f} s"
        )
    return found


if __name__ == "__main__":
    sys.exit(main())
