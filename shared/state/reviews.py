"""Reviews: problems that a person must decide or fix by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from shared.state.database import Database, clean, columns
from shared.state.group_commit import GroupCommit


@dataclass(frozen=True, slots=True)
class Review:
    """`title` says what is wrong, `advice` what to do.

    `state` is open, resolved (it went away) or decided.
    """

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


class ReviewOpening(NamedTuple):
    """A review to open, or to update if it is open."""

    connection: str
    kind: str
    entity: str
    key: str
    title: str
    advice: str
    details: dict[str, Any]


class ReviewClosing(NamedTuple):
    """Reviews to resolve, as far as they are open: their problems are gone."""

    connection: str
    entity: str
    key: str
    kinds: tuple[str, ...]


# Each part reads its rows from a CTE of its own (see ledger.CLAIM_PART).
OPEN_PART = """
    insert into reviews as r (connection, kind, entity, key, title, advice, details)
    select connection, kind, entity, key, title, advice, details from openings
    on conflict (connection, kind, entity, key) do update
       set title = excluded.title, advice = excluded.advice, details = excluded.details, state = 'open',
           updated_at = clock_timestamp(),
           opened_at = case r.state when 'open' then r.opened_at else clock_timestamp() end"""
RESOLVE_PART = """
    update reviews r set state = 'resolved', updated_at = clock_timestamp() from closings c
     where (r.connection, r.entity, r.key, r.kind) = (c.connection, c.entity, c.key, c.kind) and r.state = 'open'"""
_OPEN = f"""
    with openings as (
        select $1::text as connection, $2::text as kind, $3::text as entity, $4::text as key, $5::text as title,
               $6::text as advice, $7::jsonb as details)
    {OPEN_PART}"""
_RESOLVE = f"""
    with closings as (
        select * from unnest($1::int[], $2::text[], $3::text[], $4::text[], $5::text[])
                      as c (number, connection, entity, key, kind))
    {RESOLVE_PART} returning c.number"""  # noqa: S608


_Found = list[Review]  # inside the class, `list` is the method


class Reviews:
    """Reviews, one per (connection, kind, entity, key): a repeated problem updates its review."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._resolve = GroupCommit[ReviewClosing, int](self._resolve_all, lambda closing: closing, db.spawn)

    async def open(
        self, connection: str, kind: str, entity: str, key: str, title: str, advice: str, details: Mapping[str, object]
    ) -> None:
        """Open a review or update the open one; a closed one is reopened."""
        await self._db.execute(
            _OPEN, connection, kind, entity, clean(key), clean(title), clean(advice), dict(details)
        )  # fmt: skip

    async def resolve(self, connection: str, entity: str, key: str, kinds: Iterable[str]) -> int:
        """Resolve the open reviews of these kinds, since the problem is gone. Returns how many."""
        return await self._resolve(ReviewClosing(connection, entity, clean(key), tuple(kinds)))

    async def _resolve_all(self, closings: Sequence[ReviewClosing]) -> Sequence[int]:
        """Runs with every order, though most never had a review: many orders share one statement."""
        rows = [(number, *closing[:3], kind) for number, closing in enumerate(closings) for kind in closing.kinds]
        closed = Counter(row["number"] for row in await self._db.fetch(_RESOLVE, *columns(rows, 5)))
        return [closed[number] for number in range(len(closings))]

    async def decide(self, number: int, decision: str) -> None:
        """Mark a review as decided by a person. It reopens only if the problem occurs again.

        What was decided, and when it was last asked, is in its details: nothing newer was decided upon.
        """
        await self._db.execute(
            """update reviews set state = 'decided', updated_at = clock_timestamp(),
                      details = details || jsonb_build_object('decided', $2::text, 'asked_at', updated_at)
                where id = $1""",
            number, decision,
        )  # fmt: skip

    async def list(self, state: str = "open") -> _Found:
        """Reviews in this state, the newest first."""
        rows = await self._db.fetch(
            """select id, connection, kind, entity, key, title, advice, details, state, opened_at, updated_at
                 from reviews where state = $1 order by updated_at desc, id desc""",
            state,
        )
        return [Review(**dict(row.items())) for row in rows]
