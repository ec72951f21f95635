"""Webhook counts per connection and hour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from shared.state.database import Database, columns


@dataclass(frozen=True, slots=True)
class Seen:
    """Webhooks of one hour, and the time of the latest."""

    count: int
    last_at: datetime

    def and_one(self, at: datetime) -> Seen:
        return Seen(self.count + 1, max(self.last_at, at))


Place = tuple[str, datetime]  # connection, the full hour in UTC


class WebhookCounts:
    """Every method raises TargetDown without a database."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def add(self, counts: Mapping[Place, Seen]) -> None:
        """Add these counts. A batch counted twice after a crash is harmless: only a usual rate is derived."""
        if not counts:
            return
        rows = [(*place, seen.count, seen.last_at) for place, seen in sorted(counts.items())]
        await self._db.execute(
            """insert into webhook_counts as w (connection, hour, seen, last_at)
               select * from unnest($1::text[], $2::timestamptz[], $3::bigint[], $4::timestamptz[])
               on conflict (connection, hour) do update
                  set seen = w.seen + excluded.seen, last_at = greatest(w.last_at, excluded.last_at)""",
            *columns(rows, 4),
        )

    async def since(self, connection: str, moment: datetime) -> dict[datetime, Seen]:
        """Hours since this moment that had webhooks."""
        rows = await self._db.fetch(
            "select hour, seen, last_at from webhook_counts where connection = $1 and hour >= $2", connection, moment
        )
        return {row["hour"]: Seen(row["seen"], row["last_at"]) for row in rows}

    async def forget(self, before: datetime) -> int:
        """Delete the hours before this moment; returns how many."""
        return await self._db.execute("delete from webhook_counts where hour < $1", before)
