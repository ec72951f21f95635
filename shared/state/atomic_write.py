"""Atomic write: claims, outcomes, links, versions and reviews of records, all in one statement.

A record's way into the other system needs claims before its calls, then outcomes, links, reviews and a version. Written
one by one they would cost more than the calls; here one statement takes everything that many lanes write at a moment.
It is all or nothing, so a version is never stored without its effects.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import asyncpg

from shared.errors import NeedsReview
from shared.runtime.clock import Clock
from shared.state.database import Database, clean, columns
from shared.state.group_commit import GroupCommit
from shared.state.ledger import CLAIM_PART, DONE_PART, FAILED_PART, Claim, Effect, Ledger
from shared.state.links import LINK_PART, Links
from shared.state.reviews import OPEN_PART, RESOLVE_PART, ReviewClosing, ReviewOpening
from shared.state.versions import PUT_PART, Version

# What an effect is claimed with: the look-up of an effect in doubt needs it.
Intent = Mapping[str, Any]
# What one statement has written: new claims by connection and effect, links by connection, entity and Shopify's id.
_Claims = Mapping[tuple[str, str], Claim]
_Links = set[tuple[str, str, str]]


@dataclass(frozen=True, slots=True)
class EffectOutcome:
    """The outcome of a claimed effect: its `result`.

    Without one, `reason` says why it was certainly not applied.

    With `seen`, it counts as not applied only while the claim is still that one.
    """

    effect: Effect
    result: Mapping[str, Any] | None
    reason: str = ""
    seen: Claim | None = None


class LinkPair(NamedTuple):
    """Two records that are the same one.

    `instead_of`: the Heartland record that was linked before and is gone.
    """

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
    """What is written together.

    `about` names its record: two sets about the same one never share a statement.

    `claims` are effects with their intents. A review is not to be opened and resolved in the same set.
    """

    about: tuple[str, ...]
    claims: Mapping[Effect, Intent | None] = field(default_factory=dict)
    outcomes: Sequence[EffectOutcome] = ()
    links: Sequence[LinkPair] = ()
    versions: Sequence[VersionMark] = ()
    openings: Sequence[ReviewOpening] = ()
    closings: Sequence[ReviewClosing] = ()


@dataclass(frozen=True, slots=True)
class WriteAnswer:
    """The answer to each claim, and the links that contradict known ones; everything else is written."""

    claims: dict[Effect, Claim] = field(default_factory=dict)
    conflicts: list[tuple[LinkPair, NeedsReview]] = field(default_factory=list)


_WRITE = f"""
    with claims as (
             select *, $1::timestamptz as sent_at
               from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::jsonb[])
                    as r (connection, effect_id, system, entity, key, operation, result)),
         results as (
             select *, $1::timestamptz as done_at
               from unnest($9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::jsonb[])
                    as r (connection, effect_id, system, entity, key, operation, result)),
         failures as (
             select * from unnest($16::text[], $17::text[], $18::text[], $19::timestamptz[])
                           as r (connection, effect_id, reason, sent_at)),
         pairs as (
             select * from unnest($20::text[], $21::text[], $22::text[], $23::text[], $24::text[])
                           as r (connection, entity, shopify_id, heartland_id, heartland_public_id)),
         marks as (
             select * from unnest($25::text[], $26::text[], $27::text[], $28::text[], $29::timestamptz[], $30::text[],
                                  $31::int[], $32::bool[], $33::bool[])
                           as r (connection, entity, key, target, version, content_hash, definitions_version, blocked,
                                 has_open_reviews)),
         openings as (
             select * from jsonb_to_recordset($34::jsonb)
                           as r (connection text, kind text, entity text, key text, title text, advice text,
                                 details jsonb)),
         closings as (
             select * from jsonb_to_recordset($35::jsonb) as r (connection text, entity text, key text, kind text)),
         claimed as ({CLAIM_PART}),
         done as ({DONE_PART}),
         failed as ({FAILED_PART}),
         linked as ({LINK_PART} returning connection, entity, shopify_id),
         versioned as ({PUT_PART}),
         opened as ({OPEN_PART}),
         resolved as ({RESOLVE_PART})
    select connection, effect_id as first, null as second, result, sent_at, attempts from claimed
     union all
    select connection, entity, shopify_id, null, null, null from linked"""  # noqa: S608


class AtomicWriter:
    """Gives the guarantees of `Ledger`, `Links`, `Versions` and `Reviews`, for all of them together.

    Raises TargetDown.
    """

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        self._ledger = Ledger(db, clock)
        self._links = Links(db)
        # A claim whose caller is gone must not be made; everything else must not be lost.
        self._write = GroupCommit(self._write_all, lambda one: one.about, db.spawn, keep=lambda one: not one.claims)

    async def write(self, write_set: WriteSet) -> WriteAnswer:
        """Write all of it, or nothing."""
        return await self._write(write_set)

    async def _write_all(self, write_sets: Sequence[WriteSet]) -> list[WriteAnswer]:
        rows = await self._db.fetch(_WRITE, *_values(write_sets, self._clock))
        claims = {(row["connection"], row["first"]): _new(row) for row in rows if row["second"] is None}
        links = {(row["connection"], row["first"], row["second"]) for row in rows if row["second"] is not None}
        answers = [_answer_if_new(one, claims, links) for one in write_sets]
        known = [one for one, answer in zip(write_sets, answers, strict=True) if answer is None]
        looked_up = iter(await asyncio.gather(*(self._answer(one, claims, links) for one in known)) if known else ())
        return [next(looked_up) if answer is None else answer for answer in answers]

    async def _answer(self, write_set: WriteSet, claims: _Claims, links: _Links) -> WriteAnswer:
        """Claims and links that were there already need a second look, which few sets do."""
        answer = WriteAnswer()
        for effect, intent in write_set.claims.items():
            known = claims.get((effect.connection, effect.id))
            answer.claims[effect] = known or await self._ledger.claim(effect, intent)
        for pair in write_set.links:
            if _link_key(pair) not in links:
                await self._link(pair, answer)
        return answer

    async def _link(self, pair: LinkPair, answer: WriteAnswer) -> None:
        try:
            await self._links.put(*pair)
        except NeedsReview as conflict:
            answer.conflicts.append((pair, conflict))


def _answer_if_new(write_set: WriteSet, claims: _Claims, links: _Links) -> WriteAnswer | None:
    """The answer to a set of which nothing was there before; None if something was."""
    found = {effect: claims.get((effect.connection, effect.id)) for effect in write_set.claims}
    new = {effect: claim for effect, claim in found.items() if claim is not None}
    if len(new) < len(found) or any(_link_key(pair) not in links for pair in write_set.links):
        return None
    return WriteAnswer(new)


def _link_key(pair: LinkPair) -> tuple[str, str, str]:
    return pair.connection, pair.entity, clean(pair.shopify_id)


def _values(write_sets: Sequence[WriteSet], clock: Clock) -> list[object]:
    """The values of `_WRITE`: each table's rows sorted, so that all processes lock them in one order."""
    outcomes = [outcome for one in write_sets for outcome in one.outcomes]
    claims = [_effect(effect, intent) for one in write_sets for effect, intent in one.claims.items()]
    results = [_effect(one.effect, one.result) for one in outcomes if one.result is not None]
    failures = [
        (one.effect.connection, one.effect.id, clean(one.reason), one.seen and one.seen.sent_at)
        for one in outcomes
        if one.result is None
    ]
    links = [tuple(map(clean, pair[:5])) for one in write_sets for pair in one.links]
    marks = [_mark(mark) for one in write_sets for mark in one.versions]
    return [
        clock.now(), *_sorted(claims, 7), *_sorted(results, 7), *_sorted(failures, 4), *_sorted(links, 5),
        *_sorted(marks, 9), _openings(write_sets), _closings(write_sets),
    ]  # fmt: skip


def _sorted(rows: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    return columns(sorted(rows, key=lambda row: tuple(row[: min(width - 1, 4)])), width)


def _effect(effect: Effect, result: Mapping[str, Any] | None) -> tuple[Any, ...]:
    named = (effect.connection, effect.id, effect.system, effect.entity, clean(effect.key), clean(effect.operation))
    return (*named, None if result is None else dict(result))


def _mark(mark: VersionMark) -> tuple[Any, ...]:
    written = mark.version
    return (
        mark.connection, mark.entity, clean(mark.key), mark.target, written.version, written.content_hash,
        written.definitions_version, written.blocked, written.has_open_reviews,
    )  # fmt: skip


def _openings(write_sets: Sequence[WriteSet]) -> list[dict[str, Any]]:
    """The last one of each review: a statement may touch a row once. Few sets have any."""
    last = {opening[:4]: opening for one in write_sets for opening in one.openings}
    return [
        opening._replace(key=clean(opening.key), title=clean(opening.title), advice=clean(opening.advice))._asdict()
        for _, opening in sorted(last.items(), key=lambda pair: pair[0])
    ]


def _closings(write_sets: Sequence[WriteSet]) -> list[dict[str, str]]:
    closings = sorted(closing for one in write_sets for closing in one.closings)
    return [
        {"connection": connection, "entity": entity, "key": clean(key), "kind": kind}
        for connection, entity, key, kinds in closings
        for kind in kinds
    ]


def _new(row: asyncpg.Record) -> Claim:
    return Claim("new", row["result"], row["sent_at"], row["attempts"])
