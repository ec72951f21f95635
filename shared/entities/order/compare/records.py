"""Lists and reads the orders of one connection for comparison."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from shared.entities.order.compare.changes import Changes
from shared.entities.order.compare.reader import Reader
from shared.entities.order.compare.snapshot import OrderSnapshot
from shared.entities.order.compare.stored_state import StoredOrderStates
from shared.sync.comparison import ReadResult, Slice, Tools, Vendors


class Orders:
    """See `shared.sync.comparison.Records`."""

    def __init__(self, name: str, vendors: Vendors, tools: Tools) -> None:
        stored_states = StoredOrderStates(tools.database, tools.entities, tools.in_flight)
        companions = [open_companion(name, vendors, tools) for open_companion in tools.companions]
        self._changes = Changes(name, vendors.shopify, vendors.heartland, stored_states, tools.memory, companions)
        self._reader = Reader(name, vendors.shopify, vendors.heartland, stored_states, companions)

    async def since(self, moment: datetime, *, everything: bool = False) -> list[str]:
        return await self._changes.since(moment, everything=everything)

    async def slice(self, start: datetime, end: datetime, size: int) -> Slice:
        return await self._changes.slice(start, end, size)

    async def read(self, keys: Sequence[str], now: datetime) -> ReadResult[OrderSnapshot]:
        return await self._reader.snapshots(keys, now)
