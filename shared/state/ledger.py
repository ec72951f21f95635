"""The effect ledger: what was sent to a vendor, and its outcome.

It is written before the call and after it.

A row `sent` without an outcome is in doubt: it may have been applied. It is looked up, never repeated blindly.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import asyncpg

from shared.runtime.clock import Clock
from shared.state.database import Database, clean, columns
from shared.state.group_commit import GroupCommit

State = Literal["new", "done", "in_doubt"]


def effect_id(connection: str, system: str, entity: str, key: str, operation: str) -> str:
    """The effect's name for all time: 64 hex digits.

    Lengths stand before the parts, so no two lists run together.
    """
    parts = (connection, system, entity, key, operation)
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class Effect:
    """An effect: `operation` (`order:create`, `payment:<id>`) on the aggregate `key`, in `system`, once."""

    connection: str
    system: str
    entity: str
    key: str
    operation: str
    # Computed once: it is needed for the claim, for its answer and for the outcome.
    id: str = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        named = effect_id(self.connection, self.system, self.entity, self.key, self.operation)
        object.__setattr__(self, "id", named)


@dataclass(frozen=True, slots=True)
class Claim:
    """`new`: yours to send. `done`: `result` is its outcome.

    `in_doubt`: sent at `sent_at`, outcome unknown.

    `result` of an effect that is not done yet is the intent it was claimed with. `attempts` counts the claims.
    """

    state: State
    result: dict[str, Any] | None
    sent_at: datetime
    attempts: int


@dataclass(frozen=True, slots=True)
class _Row:
    effect: Effect
    id: str
    result: dict[str, Any] | None
    reason: str | None = None
    sent_at: datetime | None = None

    @property
    def key(self) -> tuple[str, str]:
        return self.effect.connection, self.id


# Each part reads its rows from a CTE of its own, so that one statement can hold several parts (see atomic_write).
CLAIM_PART = """
    insert into effects as e (connection, effect_id, system, entity, key, operation, result, state, sent_at)
    select connection, effect_id, system, entity, key, operation, result, 'sent', sent_at from claims
    on conflict (connection, effect_id) do update
       set state = 'sent', attempts = e.attempts + 1, sent_at = excluded.sent_at, reason = null,
           result = excluded.result
     where e.state = 'failed'
    returning connection, effect_id, 'new' as state, result, sent_at, attempts"""

DONE_PART = """
    insert into effects as e (connection, effect_id, system, entity, key, operation, result, state, sent_at, done_at)
    select connection, effect_id, system, entity, key, operation, result, 'done', done_at, done_at from results
    on conflict (connection, effect_id) do update
       set state = 'done', result = excluded.result, done_at = excluded.done_at, reason = null
     where e.state <> 'done'"""

FAILED_PART = """
    update effects as e set state = 'failed', reason = f.reason from failures as f
     where e.connection = f.connection and e.effect_id = f.effect_id and e.state = 'sent'
       and (f.sent_at is null or e.sent_at = f.sent_at)"""

CLAIM = f"""
    with claims as (
        select *, $8::timestamptz as sent_at
          from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::jsonb[])
               as r (connection, effect_id, system, entity, key, operation, result))
    {CLAIM_PART}"""  # noqa: S608

DONE = f"""
    with results as (
        select *, $8::timestamptz as done_at
          from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::jsonb[])
               as r (connection, effect_id, system, entity, key, operation, result))
    {DONE_PART}"""  # noqa: S608

FAILED = f"""
    with failures as (
        select * from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[])
                      as r (connection, effect_id, reason, sent_at))
    {FAILED_PART}"""  # noqa: S608

_READ = """
    select connection, effect_id, state, result, sent_at, attempts
      from effects join unnest($1::text[], $2::text[]) as w (connection, effect_id) using (connection, effect_id)"""


class Ledger:
    """`claim` before a call; then `done`, or `failed` if it was certainly not applied.

    Claims and outcomes of many lanes are committed together. Raises TargetDown without a database: nothing was sent
    then, and a claim that was stored all the same will be found in doubt.
    """

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        # A claim whose caller was cancelled must not be made; an outcome must be stored, or it would be looked up.
        self._claims = GroupCommit(self._claim, lambda row: row.key, db.spawn, keep=False)
        self._outcomes = GroupCommit(self._settle, lambda row: row.key, db.spawn)

    async def claim(self, effect: Effect, intent: Mapping[str, Any] | None = None) -> Claim:
        """Store that the call is about to be made.

        Of all processes that claim an effect, exactly one gets `new`.

        `intent` is kept with a new claim, for the process that finds it in doubt. A failed effect may be claimed again.
        """
        return await self._claims(_Row(effect, effect.id, None if intent is None else dict(intent)))

    async def done(self, effect: Effect, result: Mapping[str, Any]) -> None:
        """It was applied, with this result. The first result stays."""
        await self._outcomes(_Row(effect, effect.id, dict(result)))

    async def failed(self, effect: Effect, reason: str, seen: Claim | None = None) -> None:
        """It was certainly not applied: it may be claimed again. What is done stays done.

        With `seen`, only while the claim is still that one: a process that took it over may be sending it now.
        """
        await self._outcomes(_Row(effect, effect.id, None, clean(reason), seen.sent_at if seen else None))

    async def again(self, effect: Effect, seen: Claim | None = None) -> Claim:
        """It was looked up and is certainly not there: `new`, yours to send once more, with `sent_at` now.

        With `seen`, only one of several processes that saw the same claim gets `new`; the others get the claim as it is
        now. So does one that saw a claim which is done by now: its answer came between the look-up and this.
        """
        row = await self._db.fetchrow(
            """update effects
                  set state = 'sent', attempts = attempts + 1, sent_at = $3, done_at = null, reason = null,
                      result = case state when 'done' then null else result end
                where connection = $1 and effect_id = $2
                  and ($4::timestamptz is null or (sent_at = $4 and state <> 'done'))
                returning 'new' as state, result, sent_at, attempts""",
            effect.connection, effect.id, self._clock.now(), seen and seen.sent_at,
        )  # fmt: skip
        return _as_claim(row) if row else await self.claim(effect)

    async def of_key(self, connection: str, entity: str, key: str) -> dict[str, Claim]:
        """All effects of an aggregate by operation. What has failed is `new`: it may be claimed."""
        rows = await self._db.fetch(
            """select operation, state, result, sent_at, attempts from effects
                where connection = $1 and entity = $2 and key = $3""",
            connection, entity, clean(key),
        )  # fmt: skip
        return {row["operation"]: _as_claim(row) for row in rows}

    async def in_doubt(self, system: str) -> int:
        """How many effects in `system` have no known outcome, over all services."""
        row = await self._db.fetchrow(
            "select count(*) as effects from effects where state = 'sent' and system = $1", system
        )
        return int(row["effects"]) if row else 0

    async def _claim(self, rows: Sequence[_Row]) -> list[Claim]:
        found: dict[tuple[str, str], Claim] = {}
        while missing := [row for row in rows if row.key not in found]:
            found |= _claims(await self._db.fetch(CLAIM, *_columns(missing), self._clock.now()))
            # Who was there first may have committed after our statement began: only a new one sees its row.
            others = [row.key for row in missing if row.key not in found]
            if others:
                stored = await self._db.fetch(_READ, *columns(others, 2))
                # A row that failed in between is free again: the next round claims it.
                found |= _claims([row for row in stored if row["state"] != "failed"])
        return [found[row.key] for row in rows]

    async def _settle(self, rows: Sequence[_Row]) -> list[None]:
        good = [row for row in rows if row.reason is None]
        bad = sorted((row for row in rows if row.reason is not None), key=lambda row: row.key)
        if good:
            await self._db.execute(DONE, *_columns(good), self._clock.now())
        if bad:
            await self._db.execute(FAILED, *columns([(*row.key, row.reason, row.sent_at) for row in bad], 4))
        return [None] * len(rows)


def _columns(rows: Sequence[_Row]) -> list[list[Any]]:
    """Sorted, so that two processes lock rows in the same order and never each other."""
    return columns(
        [
            (*row.key, one.system, one.entity, clean(one.key), clean(one.operation), row.result)
            for row in sorted(rows, key=lambda row: row.key)
            for one in [row.effect]
        ],
        7,
    )


def _claims(rows: Sequence[asyncpg.Record]) -> dict[tuple[str, str], Claim]:
    return {(row["connection"], row["effect_id"]): _as_claim(row) for row in rows}


def _as_claim(row: asyncpg.Record) -> Claim:
    states: dict[str, State] = {"new": "new", "failed": "new", "sent": "in_doubt", "done": "done"}
    return Claim(states[row["state"]], row["result"], row["sent_at"], row["attempts"])


async def has_effects(db: Database, connection: str) -> bool:
    """Whether anything was ever sent for this connection. Raises TargetDown without a database."""
    return await db.fetchrow("select 1 from effects where connection = $1 limit 1", connection) is not None
