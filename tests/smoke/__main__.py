"""`make smoke`: sends 200 orders and their shipments through the system; each must arrive once, to the cent."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from deploy.local.stack import Stack, open_stack
from tests.smoke.shop import PlacedOrder, Shop, created, fulfilments, opened_at, percentile, until

ORDERS = int(os.environ.get("ORDERS", "200"))
PER_SECOND = 10.0
SEED = 7
TIMEOUT_SECONDS = 120.0
# Limits on two cores with 20 ms of vendor latency.
P99_SECONDS = 5.0
RSS_MB = 120.0
SETTINGS = {
    "SANDBOX_LATENCY_MS": "20",
    "SANDBOX_PLAN": "plus",
    "HEARTLAND_REQUESTS_PER_SECOND": "0",
    "HEARTLAND_MAX_IN_FLIGHT": "32",
    "POLL_SECONDS": "1",
    "LOG_LEVEL": "warning",
}
# Variables of the machine's own environment that must not influence a run.
IGNORED = ("SHOPIFY_", "HEARTLAND_", "SANDBOX_", "CONNECTION_")
Json = dict[str, Any]


async def run(build: Path, folder: Path) -> Json:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(IGNORED)}
    async with (
        open_stack(environ, folder=folder, fresh=True, settings_overrides=SETTINGS, build=build, tell=print) as stack,
        aiohttp.ClientSession() as session,
    ):
        return await smoke(stack, Shop(session, str(stack.sandbox_url)))


def main() -> int:
    build = Path("build").resolve()
    build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="smoke-", dir=build) as folder:
        Path(folder).chmod(0o711)  # started by root, PostgreSQL runs as another user, who must be able to enter
        report = asyncio.run(run(build, Path(folder)))
    (build / "smoke.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=2))
    for failure in (failures := failures_of(report)):
        print(f"FAILED: {failure}", file=sys.stderr)
    return 1 if failures else 0


async def smoke(stack: Stack, shop: Shop) -> Json:
    await warm_up(shop)
    numbers = range(2001, 2001 + ORDERS)
    print(f"placing {ORDERS} orders at {PER_SECOND:.0f} per second")
    orders = await shop.place_all(numbers, SEED, PER_SECOND)
    timed_out = await arrived(shop, orders)
    seconds = await latencies(shop, orders)
    print("shipping the orders, every third one in two shipments")
    await ship_all(shop, orders)
    timed_out = timed_out or await shipped(shop, orders)
    figures = await compare(shop, orders)
    return {
        "orders_sent": len(orders),
        **figures,
        "seconds_p50": round(percentile(seconds, 0.50), 3),
        "seconds_p99": round(percentile(seconds, 0.99), 3),
        "rss_mb": resident(stack),
        "broker": asdict(stack.engine.broker_info),
        "timed_out": timed_out,
    }


async def warm_up(shop: Shop) -> None:
    """Sends one order first: a cold JVM and empty caches are not to be measured."""
    first = await shop.place(1999, SEED)
    await until("the first order to arrive", lambda: _open(shop, {first.id}), 60)


async def arrived(shop: Shop, orders: Sequence[PlacedOrder]) -> str:
    return await _in_time("all orders open in Heartland", lambda: _open(shop, {o.id for o in orders}))


async def shipped(shop: Shop, orders: Sequence[PlacedOrder]) -> str:
    wanted = sum(len(order.shipments) for order in orders)

    async def there() -> bool:
        return fulfilments(await shop.journal("shopify")) >= wanted

    return await _in_time(f"{wanted} fulfilments in Shopify", there)


async def _in_time(what: str, done: Any) -> str:
    try:
        await until(what, done, TIMEOUT_SECONDS)
    except TimeoutError as error:
        return str(error)
    return ""


async def _open(shop: Shop, wanted: set[str]) -> bool:
    entries = await shop.journal("heartland")
    return wanted <= set(created(entries)) and len(opened_at(entries)) >= len(wanted)


async def latencies(shop: Shop, orders: Sequence[PlacedOrder]) -> list[float]:
    """Seconds from placing each order until the write that opens it in Heartland."""
    opened = opened_at(await shop.journal("heartland"))
    seconds = []
    for order in orders:
        stored = await shop.get(f"/_sandbox/heartland/orders/{order.number}")
        at = opened.get(str(stored["order"]["id"]))
        if at is not None:
            seconds.append((at - order.sent_at).total_seconds())
    return seconds


async def ship_all(shop: Shop, orders: Sequence[PlacedOrder]) -> None:
    for index, order in enumerate(orders):
        if index % 3 == 0 and sum(order.units.values()) > 1:
            first = order.document["line_items"][0]
            await shop.ship(order, [{"sku": first["sku"], "qty": 1}], f"1Z{order.number}A")
        await shop.ship(order, None, f"1Z{order.number}B")


async def compare(shop: Shop, orders: Sequence[PlacedOrder]) -> Json:
    """Compares the vendors' final state of every order, as the sandbox has it, with what was sent."""
    made = created(await shop.journal("heartland"))
    all_stored = [await shop.get(f"/_sandbox/heartland/orders/{order.number}") for order in orders]
    shop_orders = [await shop.get(f"/_sandbox/shopify/orders/{order.id}") for order in orders]
    duplicates = sum(count - 1 for count in made.values() if count > 1)
    extra = [_extra_fulfilments(order, state) for order, state in zip(orders, shop_orders, strict=True)]
    return {
        "orders_in_heartland": sum(1 for order in orders if made[order.id] >= 1),
        "orders_exact": sum(1 for order, stored in zip(orders, all_stored, strict=True) if is_exact(order, stored)),
        "shipments_sent": sum(len(order.shipments) for order in orders),
        "fulfilments_in_shopify": sum(matching(order, state) for order, state in zip(orders, shop_orders, strict=True)),
        "duplicates": duplicates + sum(extra),
    }


def is_exact(order: PlacedOrder, stored: Json) -> bool:
    """Whether total, units and payments in Heartland equal those of the order, to the cent."""
    header = stored["order"]
    units: Counter[str] = Counter()
    for line in stored["lines"]:
        units[line["sku"]] += int(line["qty"])
    paid = sum((Decimal(str(payment["amount"])) for payment in stored["payments"]), Decimal(0))
    wanted_paid = sum(
        (
            Decimal(entry["amount"])
            for entry in order.document["transactions"]
            if entry["kind"] in ("sale", "capture") and entry["status"] == "success"
        ),
        Decimal(0),
    )
    goods = Counter({sku: count for sku, count in units.items() if sku in order.units})
    return Decimal(str(header["total"])) == order.total and goods == order.units and paid == wanted_paid


def matching(order: PlacedOrder, state: Json) -> int:
    """How many of the order's shipments have a fulfilment with exactly the same units and tracking number."""
    made = _fulfilled(state)
    return sum(1 for shipment in _shipped(order) if made[shipment] >= 1)


def _extra_fulfilments(order: PlacedOrder, state: Json) -> int:
    return sum((_fulfilled(state) - Counter(_shipped(order))).values())


def _shipped(order: PlacedOrder) -> list[tuple[str, tuple[tuple[str, int], ...]]]:
    tracking = [f"1Z{order.number}A", f"1Z{order.number}B"][-len(order.shipments) :]
    return [
        (number, _units((line["sku"], int(line["qty"])) for line in shipment["lines"] if line["sku"] in order.units))
        for number, shipment in zip(tracking, order.shipments, strict=True)
    ]


def _fulfilled(state: Json) -> Counter[tuple[str, tuple[tuple[str, int], ...]]]:
    return Counter(
        (entry["tracking_number"] or "", _units((line["sku"], line["quantity"]) for line in entry["line_items"]))
        for entry in state["fulfillments"]
    )


def _units(pairs: Any) -> tuple[tuple[str, int], ...]:
    units: Counter[str] = Counter()
    for sku, quantity in pairs:
        units[sku] += quantity
    return tuple(sorted(units.items()))


def resident(stack: Stack) -> dict[str, float]:
    """Resident memory of each service, in MB."""
    services = json.loads(stack.run_json.read_text(encoding="utf-8"))["services"]
    return {entry["name"]: round(psutil.Process(entry["pid"]).memory_info().rss / 1e6, 1) for entry in services}


def failures_of(report: Json) -> list[str]:
    failures = [report["timed_out"]] if report["timed_out"] else []
    sent, shipments = report["orders_sent"], report["shipments_sent"]
    for name, wanted in (
        ("orders_in_heartland", sent),
        ("orders_exact", sent),
        ("fulfilments_in_shopify", shipments),
        ("duplicates", 0),
    ):
        if report[name] != wanted:
            failures.append(f"{name} is {report[name]} instead of {wanted}")
    if report["seconds_p99"] > P99_SECONDS:
        failures.append(
            f"p99 from placing to opening an order is {report['seconds_p99']} s; the limit is {P99_SECONDS:.0f} s"
        )
    failures += [
        f"{name} uses {mb} MB of memory; the limit is {RSS_MB:.0f} MB"
        for name, mb in report["rss_mb"].items()
        if mb > RSS_MB and name != "sandbox"
    ]
    return failures


if __name__ == "__main__":
    sys.exit(main())
