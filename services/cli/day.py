"""The first day of an imitated shop: orders come in over some seconds, and some are shipped."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp

from deploy.local.traffic import order
from shared.canonical.hop import Hop
from shared.errors import TargetDown
from shared.state.journal import Journal

FIRST_NUMBER = 1001
_PAUSE_SECONDS = 0.4
_LOOK_SECONDS = 0.5
# Every third order leaves the house; of those, every second in two parcels.
_SHIPPED = 3
_IN_PARTS = 6
Json = dict[str, Any]


@dataclass
class Sent:
    """One order of the day, and how far it has come."""

    document: Json
    parcels: int = 0
    heartland_id: str = ""
    arrived: bool = False

    @property
    def id(self) -> str:
        return str(self.document["id"])

    def learn(self, hops: Iterable[Hop]) -> None:
        """`arrived`: it is open in Heartland, and each parcel is a fulfilment in Shopify."""
        applied = [hop for hop in hops if hop.outcome == "applied"]
        opened = [hop for hop in applied if hop.service == "heartland_writer" and hop.entity == "order"]
        fulfilled = {hop.event_id for hop in applied if hop.service == "shopify_writer" and hop.entity == "fulfilment"}
        self.heartland_id = next((hop.heartland_id for hop in opened if hop.heartland_id), self.heartland_id)
        self.arrived = bool(self.heartland_id) and len(fulfilled) >= self.parcels


@dataclass
class Day:
    """`problem` says what the sandbox refused, if it did."""

    sandbox_url: str
    connection: str
    seed: int
    count: int
    sent: list[Sent] = field(default_factory=list)
    problem: str = ""

    @property
    def arrived(self) -> int:
        return sum(1 for one in self.sent if one.arrived)

    @property
    def is_over(self) -> bool:
        return bool(self.problem) or (len(self.sent) == self.count == self.arrived)

    async def pass_by(self, session: aiohttp.ClientSession, journal: Journal) -> None:
        """Send, ship and watch until all has arrived. Runs until cancelled if something never does."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._send(session))
                tasks.create_task(self._ship_and_watch(session, journal))
        except* (aiohttp.ClientError, TimeoutError, _Refused) as group:
            self.problem = "; ".join(str(error) or type(error).__name__ for error in group.exceptions)

    async def _send(self, session: aiohttp.ClientSession) -> None:
        for number in range(FIRST_NUMBER, FIRST_NUMBER + self.count):
            document = order(self.seed, number, datetime.now(UTC))
            await self._post(session, "/_sandbox/shopify/orders", document)
            self.sent.append(Sent(document))
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _ship_and_watch(self, session: aiohttp.ClientSession, journal: Journal) -> None:
        while not self.is_over:
            await self._learn(journal)
            for index, one in enumerate(self.sent):
                if index % _SHIPPED == 0 and one.heartland_id and not one.parcels:
                    await self._ship(session, one, in_parts=index % _IN_PARTS == 0)
            await asyncio.sleep(_LOOK_SECONDS)

    async def _learn(self, journal: Journal) -> None:
        for one in self.sent:
            if one.arrived:
                continue
            try:
                one.learn(await journal.story(self.connection, one.id))
            except TargetDown:
                return

    async def _ship(self, session: aiohttp.ClientSession, one: Sent, *, in_parts: bool) -> None:
        lines = one.document["line_items"]
        parts: Sequence[Json] = [{}]
        if in_parts and sum(line["quantity"] for line in lines) > 1:
            parts = [{"lines": [{"sku": lines[0]["sku"], "qty": 1}]}, {}]
        one.parcels, one.arrived = len(parts), False
        for number, part in enumerate(parts, 1):
            label = {"tracking_number": f"1Z{one.id[-8:]}{number}", "carrier": "UPS"}
            await self._post(session, f"/_sandbox/heartland/orders/{one.heartland_id}/ship", part | label)

    async def _post(self, session: aiohttp.ClientSession, path: str, body: Json) -> None:
        async with session.post(self.sandbox_url + path, json=body) as response:
            if response.status >= 300:
                raise _Refused(f"the sandbox answered {response.status} to POST {path}: {await response.text()}")


class _Refused(Exception):
    """The sandbox did not take an order or a shipment."""


def new_seed() -> int:
    """Another day's ids: a database that outlives the run must not meet the same ones again."""
    return int(time.time())
