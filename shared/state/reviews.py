"""What a person must decide or do by hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.state.database import Database, clean


@dataclass(frozen=True, slots=True)
class Review:
    """`title` says what is wrong, `advice` what to do; `state` is open, resolved (it went away) or decided."""

    id: int
    connection: str
    kind: str
    entity: str
    key: str
    title: str
    advice: str
    details: dict[str, Any]
    state: str
    opened_at: datetime
    updated_at: datetime


_Found = list[Review]  # inside the class, `list` is the method


class Reviews:
    """One entry per (connection, kind, entity, key): the same trouble twice is one entry."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def open(
        self, connection: str, kind: str, entity: str, key: str, title: str, advice: str, details: Mapping[str, object]
    ) -> None:
        """Open a review, or bring an open one up to date; one that was closed opens again."""
        await self._db.execute(
            """insert into reviews (connection, kind, entity, key, title, advice, details)
               values ($1, $2, $3, $4, $5, $6, $7)
               on conflict (connection, kind, entity, key) do update
                  set title = excluded.title, advice = excluded.advice, details = excluded.details, state = 'open',
                      updated_at = clock_timestamp(),
                      opened_at = case reviews.state when 'open' then reviews.opened_at else clock_timestamp() end""",
            connection, kind, entity, clean(key), clean(title), clean(advice), dict(details),
        )  # fmt: skip

    async def resolve(self, connection: str, entity: str, key: str, kinds: Iterable[str]) -> int:
        """The trouble is gone: close the open reviews of these kinds. Returns how many there were."""
        return await self._db.execute(
            """update reviews set state = 'resolved', updated_at = clock_timestamp()
                where connection = $1 and entity = $2 and key = $3 and kind = any($4::text[]) and state = 'open'""",
            connection, entity, clean(key), list(kinds),
        )  # fmt: skip

    async def list(self, state: str = "open") -> _Found:
        """Reviews in this state, the newest first."""
        rows = await self._db.fetch(
            """select id, connection, kind, entity, key, title, advice, details, state, opened_at, updated_at
                 from reviews where state = $1 order by updated_at desc, id desc""",
            state,
        )
        return [Review(**dict(row.items())) for row in rows]
