"""Poll cursors: the position up to which each feed was read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.state.database import Database


class Cursors:
    """One position per connection and feed; its content is defined by the feed."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def get(self, connection: str, feed: str) -> dict[str, Any] | None:
        """The stored position; None before the first."""
        row = await self._db.fetchrow(
            "select position from cursors where connection = $1 and feed = $2", connection, feed
        )
        return dict(row["position"]) if row else None

    async def put(self, connection: str, feed: str, position: Mapping[str, Any]) -> None:
        """Store a position. Call it once everything up to it is published."""
        await self._db.execute(
            """insert into cursors (connection, feed, position) values ($1, $2, $3)
               on conflict (connection, feed) do update
                  set position = excluded.position, updated_at = clock_timestamp()""",
            connection, feed, dict(position),
        )  # fmt: skip
