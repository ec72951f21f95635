"""A feed's position: where to read from, what was published already. Pure.

The cursor is Heartland's own clock: the newest `updated_at` seen. A poll reads again from `overlap` before it, since
a record can become visible after one that is younger; what was published in that window is remembered by id and
`updated_at` and not published twice. What is not ours yet (no link) is not remembered, so it is tried again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Position:
    """`newest` is the newest `updated_at` seen; `published` maps ids of the overlap to their `updated_at`."""

    newest: datetime
    published: Mapping[str, datetime] = field(default_factory=dict)

    @classmethod
    def start(cls, now: datetime, lookback: timedelta) -> Self:
        return cls(now - lookback)

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self:
        published = {key: datetime.fromisoformat(value) for key, value in stored["published"].items()}
        return cls(datetime.fromisoformat(stored["newest"]), published)

    def stored(self) -> dict[str, Any]:
        return {
            "newest": self.newest.isoformat(),
            "published": {key: value.isoformat() for key, value in self.published.items()},
        }

    def since(self, overlap: timedelta) -> datetime:
        """From when the next poll reads."""
        return self.newest - overlap

    def is_new(self, record_id: str, updated_at: datetime) -> bool:
        return self.published.get(record_id) != updated_at

    def seen(self, updated_at: datetime) -> Position:
        return Position(max(self.newest, updated_at), self.published)

    def with_published(self, record_id: str, updated_at: datetime) -> Position:
        return Position(max(self.newest, updated_at), {**self.published, record_id: updated_at})

    def trimmed(self, overlap: timedelta) -> Position:
        """Without what lies before the overlap: a later poll cannot meet it again."""
        horizon = self.since(overlap)
        return Position(self.newest, {key: at for key, at in self.published.items() if at >= horizon})
