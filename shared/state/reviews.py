"""Reviews: problems that a person must decide or fix by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.state.database import Database, clean
from shared.state.group_commit import GroupCommit


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


@dataclass(frozen=True, slots=True)
class _Over:
    """Trouble that is gone, if it was there."""

    connection: str
    entity: str
    key: str
    kinds: tuple[str, ...]


def _columns(overs: Sequence[_Over]) -> tuple[list[int], list[str], list[str], list[str], list[str]]:
    rows = [(number, over, kind) for number, over in enumerate(overs) for kind in over.kinds]
    return (
        [number for number, _, _ in rows],
        [over.connection for _, over, _ in rows],
        [over.entity for _, over, _ in rows],
        [over.key for _, over, _ in rows],
        [kind for _, _, kind in rows],
    )


_Found = list[Review]  # inside the class, `list` is the method


class Reviews:
    """Reviews, one per (connection, kind, entity, key): a repeated problem updates its review."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._resolve = GroupCommit[_Over, int](self._resolve_all, lambda over: over, db.spawn)

    async def open(
        self, connection: str, kind: str, entity: str, key: str, title: str, advice: str, details: Mapping[str, object]
    ) -> None:
        """Open a review or update the open one; a closed one is reopened."""
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
        """Resolve the open reviews of these kinds, since the problem is gone. Returns how many."""
        return await self._resolve(_Over(connection, entity, clean(key), tuple(kinds)))

    async def _resolve_all(self, overs: Sequence[_Over]) -> Sequence[int]:
        """Runs with every order, though most never had a review: many orders share one statement."""
        rows = await self._db.fetch(
            """update reviews r set state = 'resolved', updated_at = clock_timestamp()
                 from unnest($1::int[], $2::text[], $3::text[], $4::text[], $5::text[])
                      as o (number, connection, entity, key, kind)
                where (r.connection, r.entity, r.key, r.kind) = (o.connection, o.entity, o.key, o.kind)
                  and r.state = 'open'
            returning o.number""",
            *_columns(overs),
        )  # fmt: skip
        closed = Counter(row["number"] for row in rows)
        return [closed[number] for number in range(len(overs))]

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
