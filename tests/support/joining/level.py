"""Stock levels as two systems hold them, and how they are read: what a subject's own files bring along."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.sync.comparison import Seen, Slice, Tools, Vendors


@dataclass(frozen=True)
class Level:
    """Units of one SKU."""

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
    """What a test puts into `held` is what both systems show; what is in `odd` cannot be read."""

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

    async def read(self, keys: Sequence[str], now: datetime) -> Seen[Level]:
        return Seen([self.held[key] for key in keys if key not in self.odd], dict(self.odd))
