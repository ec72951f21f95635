"""`make catchup`: a vendor is down for a while; how fast is what waited caught up, and does live work wait for it?

SECONDS (60), RATE (20 events a second) and LIMIT (100 Heartland calls a second) set the size; ten minutes at fifty are
`SECONDS=600 RATE=50 make catchup`. An order has four events in the outage (placed, then changed three times): what is
written afterwards is its newest state, once.
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
from tests.smoke.shop import Placed, Shop, created, opened_at, percentile, until

SEED = 5
EVENTS_PER_ORDER = 4
# The first orders warm the system up; the next ones show how long an order takes, and how many calls, on a usual day.
WARM_UP, BASELINE = 15, 15
# The goals: within 1.2 of what the limit allows, and live orders at most two seconds later than without a backlog.
MOST_FACTOR, MOST_DELAY = 1.2, 2.0
IGNORED = ("SHOPIFY_", "HEARTLAND_", "SANDBOX_", "CONNECTION_")
Json = dict[str, Any]


def settings(limit: float) -> dict[str, str]:
    return {
        "SANDBOX_LATENCY_MS": "20",
        # What is measured is Heartland's limit: a smaller plan of Shopify's cannot read fifty orders a second back.
        "SANDBOX_PLAN": "enterprise",
        "HEARTLAND_REQUESTS_PER_SECOND": str(limit),
        "HEARTLAND_MAX_IN_FLIGHT": "16",
        "POLL_SECONDS": "60",
        "OUTAGE_PARK_SECONDS": "5",
        "LOG_LEVEL": "warning",
    }


class Written:
    """What Heartland was told, read on from where the last look ended: after a long outage there is much of it."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._entries: list[Json] = []

    async def entries(self) -> list[Json]:
        after = self._entries[-1]["number"] if self._entries else 0
        self._entries += await self._shop.journal("heartland", after)
        return self._entries


async def measure(stack: Stack, shop: Shop, seconds: float, rate: float, limit: float) -> Json:
    written = Written(shop)
    say("orders before the outage")
    await all_open(written, await shop.place_all(range(1001, 1001 + WARM_UP), SEED, 2.0), 120)
    unused = await heartland_calls(stack)
    before = await shop.place_all(range(1101, 1101 + BASELINE), SEED, 1.0)
    await all_open(written, before, 120)
    per_order = (await heartland_calls(stack) - unused) / BASELINE
    say(f"Heartland is down for {seconds:.0f} s, {rate:.0f} events a second arrive")
    await shop.post("/_sandbox/faults", {"faults": [{"system": "heartland", "kind": "outage"}]})
    waited = await outage(shop, seconds, rate)
    calls = await heartland_calls(stack)
    await shop.post("/_sandbox/faults", {"faults": []})
    healed, started = datetime.now(UTC), time.monotonic()
    say(f"Heartland is back, {len(waited)} orders wait; live orders come in meanwhile")
    async with live_orders(shop) as live:
        await all_open(written, waited, 60 + 3 * len(waited) * 12 / limit)
    opened = await times(written, waited)
    drained = (max(opened) - healed).total_seconds()
    made = await heartland_calls(stack) - calls
    meant = needed(per_order, opened, await times(written, live))
    await all_open(written, live, 60)
    usual, meanwhile = await latencies(written, before), await latencies(written, live)
    entries = await written.entries()
    return {
        "outage_seconds": seconds,
        "events": len(waited) * EVENTS_PER_ORDER,
        "orders": len(waited),
        "doubled": sum(count - 1 for count in created(entries).values() if count > 1),
        "drain_seconds": round(drained, 1),
        "measured_seconds": round(time.monotonic() - started, 1),
        "calls": made,
        "calls_needed": round(meant),
        "calls_per_order": round(per_order, 1),
        "limit_per_second": limit,
        "factor": round(drained / (meant / limit), 2),
        "live_orders": len(live),
        # One that comes before the breaker has tried again is put behind what waits, and counts here.
        "live_orders_late": sum(seconds > max(usual) + MOST_DELAY for seconds in meanwhile),
        "live_seconds_usual_p95": round(percentile(usual, 0.95), 2),
        "live_seconds_meanwhile_p95": round(percentile(meanwhile, 0.95), 2),
        "live_delay_seconds": round(percentile(meanwhile, 0.95) - percentile(usual, 0.95), 2),
    }


def needed(per_order: float, waited: Sequence[datetime], live: Sequence[datetime]) -> float:
    """Calls for what waited, and for what came in until all of that was done, at what an order takes on a usual day."""
    return per_order * (len(waited) + sum(moment <= max(waited) for moment in live))


async def outage(shop: Shop, seconds: float, rate: float) -> list[Placed]:
    """Orders are placed and changed until the time is over."""
    count = max(1, round(seconds * rate / EVENTS_PER_ORDER))
    placed = await shop.place_all(range(2001, 2001 + count), SEED, rate)
    for turn in range(EVENTS_PER_ORDER - 1):
        await asyncio.gather(*(change(shop, order, turn, index / rate) for index, order in enumerate(placed)))
    return placed


async def change(shop: Shop, order: Placed, turn: int, after: float) -> None:
    await asyncio.sleep(after)
    document = {**order.document, "note": f"change {turn}", "updated_at": datetime.now(UTC).isoformat()}
    await shop.post("/_sandbox/shopify/orders", document)


@asynccontextmanager
async def live_orders(shop: Shop) -> AsyncIterator[list[Placed]]:
    """One order a second for as long as the block lasts."""
    placed: list[Placed] = []

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


async def all_open(written: Written, orders: Sequence[Placed], seconds: float) -> None:
    wanted = {order.id for order in orders}

    async def done() -> bool:
        entries = await written.entries()
        ids = {shopify: there for there, shopify in heartland_ids(entries).items()}
        opened = opened_at(entries)
        return all(ids.get(one) in opened for one in wanted)

    await until(f"{len(wanted)} orders open in Heartland", done, seconds, 2.0)


def heartland_ids(entries: Sequence[Json]) -> dict[str, str]:
    """Heartland's id -> Shopify's, of the orders that were made."""
    made = [entry for entry in entries if entry["method"] == "POST" and entry["path"].endswith("/sales/orders")]
    return {
        entry["response"]["location"].rpartition("/")[2]: str(entry["body"]["custom"]["shopify_order_id"])
        for entry in made
        if entry["status"] < 300
    }


async def times(written: Written, orders: Sequence[Placed]) -> list[datetime]:
    """When each was opened."""
    entries = await written.entries()
    ids, opened = heartland_ids(entries), opened_at(entries)
    at = {ids[there]: moment for there, moment in opened.items() if there in ids}
    return [at[order.id] for order in orders if order.id in at]


async def latencies(written: Written, orders: Sequence[Placed]) -> list[float]:
    entries = await written.entries()
    ids, opened = heartland_ids(entries), opened_at(entries)
    at = {ids[there]: moment for there, moment in opened.items() if there in ids}
    return [(at[order.id] - order.sent_at).total_seconds() for order in orders if order.id in at]


async def heartland_calls(stack: Stack) -> int:
    """Calls that the writer has made, as it counts them."""
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
        Path(folder).chmod(0o711)  # started by root, PostgreSQL runs as somebody who must get through
        report = asyncio.run(run(build, Path(folder), given[0], given[1], given[2]))
    (build / "catchup.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=2))
    faults = wrong(report)
    for fault in faults:
        print(f"FAILED: {fault}", file=sys.stderr)
    return 1 if faults else 0


def wrong(report: Json) -> list[str]:
    found = []
    if report["doubled"]:
        found.append(f"{report['doubled']} orders were made twice")
    if report["factor"] > MOST_FACTOR:
        found.append(f"it took {report['factor']} of the time that the limit allows, the goal is {MOST_FACTOR}")
    if report["live_delay_seconds"] > MOST_DELAY:
        found.append(f"live orders came {report['live_delay_seconds']} s later, the goal is {MOST_DELAY} s")
    return found


if __name__ == "__main__":
    sys.exit(main())
