"""The version gate: what was written last to a target, so that nothing older overwrites it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from shared.state.database import Database, clean, columns
from shared.state.grouped import Grouped


@dataclass(frozen=True, slots=True)
class Version:
    """`version` is the source's own time of the record, `content_hash` says what it held."""

    version: datetime
    content_hash: str


def gate(stored: Version | None, version: datetime, content_hash: str) -> Literal["apply", "stale", "duplicate"]:
    """Older than what was written is stale; the same content is a duplicate (also an echo); all else is applied."""
    if stored is None:
        return "apply"
    if version < stored.version:
        return "stale"
    return "duplicate" if content_hash == stored.content_hash else "apply"


# Also part of the statement in `notes`.
PUT = """
    insert into versions as v (connection, entity, key, target, version, content_hash)
    select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::text[])
    on conflict (connection, entity, key, target) do update
       set version = excluded.version, content_hash = excluded.content_hash, updated_at = clock_timestamp()
     where v.version <= excluded.version"""

_Place = tuple[str, str, str, str]  # connection, entity, key, target


class Versions:
    """Per connection, entity, key and target. Calls of many lanes share statements."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._reads = Grouped(self._get, lambda place: place, db.spawn, keep=False)
        self._writes = Grouped(self._put, lambda row: row[0], db.spawn)

    async def get(self, connection: str, entity: str, key: str, target: str) -> Version | None:
        """What was written last to `target`; None for nothing yet."""
        return await self._reads((connection, entity, clean(key), target))

    async def put(
        self, connection: str, entity: str, key: str, target: str, version: datetime, content_hash: str
    ) -> None:
        """Note what was written. A version lower than the stored one changes nothing."""
        await self._writes(((connection, entity, clean(key), target), Version(version, content_hash)))

    async def _get(self, places: Sequence[_Place]) -> list[Version | None]:
        rows = await self._db.fetch(
            """select connection, entity, key, target, version, content_hash from versions
                 join unnest($1::text[], $2::text[], $3::text[], $4::text[])
                      as wanted (connection, entity, key, target) using (connection, entity, key, target)""",
            *columns(places, 4),
        )
        found = {
            (row["connection"], row["entity"], row["key"], row["target"]): Version(row["version"], row["content_hash"])
            for row in rows
        }
        return [found.get(place) for place in places]

    async def _put(self, rows: Sequence[tuple[_Place, Version]]) -> list[None]:
        await self._db.execute(
            PUT,
            # Sorted: two processes lock rows in the same order.
            *columns(
                [(*place, one.version, one.content_hash) for place, one in sorted(rows, key=lambda row: row[0])], 6
            ),
        )
        return [None] * len(rows)
