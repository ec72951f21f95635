"""Places and ships orders through the sandbox's control API, and reads the vendors' write journals."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import aiohttp

from services.sandbox.demo import orders as demo_orders

Json = dict[str, Any]


@dataclass
class PlacedOrder:
    """An order as it was placed, and its shipments."""

    document: Json
    sent_at: datetime
    shipments: list[Json] = field(default_factory=list)

    @property
    def id(self) -> str:
        return str(self.document["id"])

    @property
    def number(self) -> str:
        return f"S-{self.document['name'].lstrip('#')}"

    @property
    def total(self) -> Decimal:
        return Decimal(self.document["total_price"])

    @property
    def units(self) -> Counter[str]:
        units: Counter[str] = Counter()
        for line in self.document["line_items"]:
            units[line["sku"]] += line["quantity"]
        return units


class Shop:
    """A client of the sandbox's control API at `url`."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def place(self, number: int, seed: int) -> PlacedOrder:
        document = demo_orders.order(seed, number, datetime.now(UTC))
        placed = PlacedOrder(document, datetime.now(UTC))
        await self.post("/_sandbox/shopify/orders", document)
        return placed

    async def place_all(self, numbers: Sequence[int], seed: int, per_second: float) -> list[PlacedOrder]:
        """Places orders at a constant rate, without waiting for earlier ones."""
        started = time.monotonic()
        tasks = []
        for index, number in enumerate(numbers):
            await asyncio.sleep(max(0.0, started + index / per_second - time.monotonic()))
            tasks.append(asyncio.create_task(self.place(number, seed)))
        return list(await asyncio.gather(*tasks))

    async def ship(self, order: PlacedOrder, lines: Sequence[Json] | None, number: str) -> None:
        body: Json = {"tracking_number": number, "carrier": "UPS"}
        if lines is not None:
            body["lines"] = list(lines)
        order.shipments.append(await self.post(f"/_sandbox/heartland/orders/{order.number}/ship", body))

    async def post(self, path: str, body: Json) -> Json:
        async with self._session.post(self._url + path, json=body) as response:
            answer: Json = await response.json()
            if response.status >= 300:
                raise RuntimeError(f"POST {path} answered {response.status}: {answer}")
            return answer

    async def get(self, path: str) -> Json:
        async with self._session.get(self._url + path) as response:
            answer: Json = await response.json()
            if response.status >= 300:
                raise RuntimeError(f"GET {path} answered {response.status}: {answer}")
            return answer

    async def journal(self, system: str, after: int = 0) -> list[Json]:
        entries: list[Json] = (await self.get(f"/_sandbox/journal?system={system}&after={after}"))["entries"]
        return entries


async def until(what: str, done: Callable[[], Any], seconds: float, poll: float = 0.25) -> None:
    """Polls until `await done()` is true. Raises TimeoutError, which names what it waited for."""
    deadline = time.monotonic() + seconds
    while not await done():
        if time.monotonic() > deadline:
            raise TimeoutError(f"timed out after {seconds:.0f} s waiting for {what}")
        await asyncio.sleep(poll)


def opened_at(entries: Iterable[Json]) -> dict[str, datetime]:
    """Heartland order id -> when it was opened, from the journal of writes."""
    return {
        entry["path"].rpartition("/")[2]: datetime.fromisoformat(entry["at"])
        for entry in entries
        if entry["method"] == "PUT"
        and "/sales/orders/" in entry["path"]
        and _body(entry).get("status") == "open"
        and entry["status"] < 300
    }


def created(entries: Iterable[Json]) -> Counter[str]:
    """Shopify order id -> number of Heartland orders created for it."""
    return Counter(
        str((_body(entry).get("custom") or {}).get("shopify_order_id"))
        for entry in entries
        if entry["method"] == "POST" and entry["path"].endswith("/sales/orders") and entry["status"] < 300
    )


def fulfilments(entries: Iterable[Json]) -> int:
    return sum(1 for entry in entries if entry["operation"] == "fulfillmentCreate" and entry["status"] < 300)


def _body(entry: Json) -> Json:
    body = entry.get("body")
    return body if isinstance(body, dict) else {}


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile; 0 for no values."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))] if ranked else 0.0
