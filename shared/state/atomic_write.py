"""What a writer notes about its work, in all tables at once.

A record's way into the other system needs claims before its calls, then outcomes, links and a version. Written one by
one they would cost more than the calls; here one statement takes everything that many lanes want noted at a moment.
It is all or nothing, so a version is never there without what it stands for.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import asyncpg

from shared.errors import NeedsReview
from shared.runtime.clock import Clock
from shared.state.database import Database, clean, columns
from shared.state.group_commit import GroupCommit
from shared.state.ledger import CLAIM, DONE, FAILED, Claim, Effect, Ledger
from shared.state.links import LINK, Links
from shared.state.versions import PUT, Version


@dataclass(frozen=True, slots=True)
class EffectOutcome:
    """What came of a claimed effect: its `result`; without one, `reason` says why it was certainly not applied.

    With `seen`, it counts as not applied only while the claim is still that one.
    """

    effect: Effect
    result: Mapping[str, Any] | None
    reason: str = ""
    seen: Claim | None = None


class LinkPair(NamedTuple):
    """Two records that are the same one. `instead_of`: the Heartland record that was linked before and is gone."""

    connection: str
    entity: str
    shopify_id: str
    heartland_id: str
    heartland_public_id: str = ""
    instead_of: str = ""


class VersionMark(NamedTuple):
    """The version of a record that a target now has."""

    connection: str
    entity: str
    key: str
    target: str
    version: Version


@dataclass(frozen=True, slots=True)
class WriteSet:
    """What is noted together. `about` names whose it is: notes about the same are never in one statement."""

    about: tuple[str, ...]
    claims: Sequence[Effect] = ()
    outcomes: Sequence[EffectOutcome] = ()
    links: Sequence[LinkPair] = ()
    versions: Sequence[VersionMark] = ()


@dataclass(frozen=True, slots=True)
class WriteAnswer:
    """The answer to each claim, in their order, and the links that contradict what is known; all else is noted."""

    claims: list[Claim] = field(default_factory=list)
    conflicts: list[tuple[LinkPair, NeedsReview]] = field(default_factory=list)


def _shifted(sql: str, by: int) -> str:
    """Each statement numbers its values from $1; put together they follow each other."""
    return re.sub(r"\$(\d+)", lambda value: f"${int(value[1]) + by}", sql)


_WRITE = f"""
    with claimed as ({_shifted(CLAIM, 0)}),
         done as ({_shifted(DONE, 8)}),
         failed as ({_shifted(FAILED, 16)}),
         linked as ({_shifted(LINK, 20)}
                    returning connection, entity, shopify_id),
         versioned as ({_shifted(PUT, 25)})
    select connection, effect_id as first, null as second, result, sent_at, attempts from claimed
     union all
    select connection, entity, shopify_id, null, null, null from linked"""  # noqa: S608


class AtomicWriter:
    """Same promises as `Ledger`, `Links` and `Versions` give, for all of them together. Raises TargetDown."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        self._ledger = Ledger(db, clock)
        self._links = Links(db)
        # A claim whose caller is gone must not be made; everything else must not be lost.
        self._write = GroupCommit(self._write_all, lambda note: note.about, db.spawn, keep=lambda note: not note.claims)

    async def write(self, note: WriteSet) -> WriteAnswer:
        """Note all of it."""
        return await self._write(note)

    async def _write_all(self, notes: Sequence[WriteSet]) -> list[WriteAnswer]:
        rows = await self._db.fetch(_WRITE, *_values(notes, self._clock))
        claims = {(row["connection"], row["first"]): _new(row) for row in rows if row["second"] is None}
        links = {(row["connection"], row["first"], row["second"]) for row in rows if row["second"] is not None}
        return list(await asyncio.gather(*(self._rest(note, claims, links) for note in notes)))

    async def _rest(
        self, note: WriteSet, claims: Mapping[tuple[str, str], Claim], links: set[tuple[str, str, str]]
    ) -> WriteAnswer:
        """Claims and links that are there already need a second look, which few notes do."""
        noted = WriteAnswer()
        for effect in note.claims:
            noted.claims.append(claims.get((effect.connection, effect.id)) or await self._ledger.claim(effect))
        for pair in note.links:
            if (pair.connection, pair.entity, clean(pair.shopify_id)) not in links:
                await self._link(pair, noted)
        return noted

    async def _link(self, pair: LinkPair, noted: WriteAnswer) -> None:
        try:
            await self._links.put(*pair)
        except NeedsReview as conflict:
            noted.conflicts.append((pair, conflict))


def _values(notes: Sequence[WriteSet], clock: Clock) -> list[object]:
    """Rows of each table sorted, so that two processes lock them in the same order."""
    now = clock.now()
    outcomes = [outcome for note in notes for outcome in note.outcomes]
    claims = [_effect(effect, None) for note in notes for effect in note.claims]
    done = [_effect(one.effect, one.result) for one in outcomes if one.result is not None]
    failed = [
        (one.effect.connection, one.effect.id, clean(one.reason), one.seen and one.seen.sent_at)
        for one in outcomes
        if one.result is None
    ]
    links = [tuple(map(clean, pair[:5])) for note in notes for pair in note.links]
    versions = [
        (mark.connection, mark.entity, clean(mark.key), mark.target, mark.version.version, mark.version.content_hash)
        for note in notes
        for mark in note.versions
    ]
    return [
        *_sorted(claims, 7), now, *_sorted(done, 7), now, *_sorted(failed, 4), *_sorted(links, 5), *_sorted(versions, 6)
    ]  # fmt: skip


def _sorted(rows: list[tuple[Any, ...]], width: int) -> list[list[Any]]:
    order = sorted(range(len(rows)), key=lambda number: rows[number][: min(width - 1, 4)])
    return columns([rows[number] for number in order], width)


def _effect(effect: Effect, result: Mapping[str, Any] | None) -> tuple[Any, ...]:
    named = (effect.connection, effect.id, effect.system, effect.entity, clean(effect.key), clean(effect.operation))
    return (*named, None if result is None else dict(result))


def _new(row: asyncpg.Record) -> Claim:
    return Claim("new", row["result"], row["sent_at"], row["attempts"])
