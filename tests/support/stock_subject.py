"""A comparison subject made for tests: stock levels by SKU, how they are read, compared and repaired."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.entities.order.spec import RAW_SHOPIFY_ORDER
from shared.state.drift import Drift, Finding
from shared.sync.comparison import Entity, ReadResult, Slice, Subject, Tools, Vendors
from shared.sync.repair_notice import RepairNotice, repair_event


@dataclass(frozen=True)
class Level:
    """Units of one SKU in both systems."""

    connection: str
    key: str
    here: int
    there: int
    changed_at: datetime
    is_quiet: bool = True

    @property
    def content_hash(self) -> str:
        return f"{self.there}"

    @property
    def stamps(self) -> tuple[datetime, datetime | None]:
        return self.changed_at, None


class Levels:
    """`held` are the levels in both systems, set by a test; keys in `odd` cannot be read, with the reason."""

    held: dict[str, Level]
    odd: dict[str, str]

    def __init__(self, name: str, vendors: Vendors, tools: Tools) -> None:
        self.held, self.odd, self.memory = {}, {}, tools.memory

    async def since(self, moment: datetime, *, everything: bool = False) -> list[str]:
        return [
            level.key
            for level in self.held.values()
            if level.changed_at >= moment and (everything or not self.memory.is_known_here(level.key, level.changed_at))
        ]

    async def slice(self, start: datetime, end: datetime, size: int) -> Slice:
        return Slice([key for key, level in self.held.items() if start <= level.changed_at <= end], None)

    async def read(self, keys: Sequence[str], now: datetime) -> ReadResult[Level]:
        return ReadResult([self.held[key] for key in keys if key not in self.odd], dict(self.odd))


def compare(seen: Level) -> Iterator[Finding]:
    if seen.here != seen.there:
        kind = "stock_differs" if seen.here >= 0 else "oversold"
        reason = f"{seen.key}: {seen.here} here, {seen.there} there"
        yield Finding(seen.connection, "stock", seen.key, kind, reason, repairable=seen.here >= 0)


async def held(row: Drift, _: Vendors) -> dict[str, Any]:
    return {"units": row.reason}


async def notices(row: Drift, _: Vendors, now: datetime) -> list[RepairNotice]:
    event = repair_event(row, now, source="heartland", kind="heartland.stock.repair", entity="stock")
    # Any topic suffices for a test.
    return [RepairNotice(RAW_SHOPIFY_ORDER, event, covers=row.key)]


ENTITY = Entity(
    "stock", compare, held, notices, advice={"oversold": "Count it."}, unrepairable=frozenset(("oversold",))
)
SUBJECT = Subject("stock", "stock levels", "reconciler.stock", Levels, (ENTITY,))
