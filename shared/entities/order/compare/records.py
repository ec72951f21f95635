"""The orders of one connection: listed, and read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from shared.entities.order.compare.changes import Changes
from shared.entities.order.compare.own_records import OwnRecords
from shared.entities.order.compare.reader import Reader
from shared.entities.order.compare.snapshot import Snapshot
from shared.sync.comparison import Seen, Slice, Tools, Vendors


class Orders:
    """See subject.Records."""

    def __init__(self, name: str, vendors: Vendors, tools: Tools) -> None:
        books = OwnRecords(tools.database, tools.entities, tools.in_flight)
        companions = [open_companion(name, vendors, tools) for open_companion in tools.companions]
        self._changes = Changes(name, vendors.shopify, vendors.heartland, books, tools.memory, companions)
        self._reader = Reader(name, vendors.shopify, vendors.heartland, books, companions)

    async def since(self, moment: datetime, *, everything: bool = False) -> list[str]:
        return await self._changes.since(moment, everything=everything)

    async def slice(self, start: datetime, end: datetime, size: int) -> Slice:
        return await self._changes.slice(start, end, size)

    async def read(self, keys: Sequence[str], now: datetime) -> Seen[Snapshot]:
        return await self._reader.snapshots(keys, now)
