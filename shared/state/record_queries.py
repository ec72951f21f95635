"""Reads the stored state of many records at once, for comparing them with the vendors."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from shared.state.database import Database

Rows = list[asyncpg.Record]

_VERSIONS = """
    select key, version, content_hash, definitions_version, blocked from versions
     where connection = $1 and entity = $3 and target = $4 and key = any($2::text[])"""
_IN_DOUBT = "select distinct key from effects where connection = $1 and key = any($2::text[]) and state = 'sent'"
_DONE = """
    select key, operation, result from effects
     where connection = $1 and key = any($2::text[]) and operation like $3 || ':%' and state = 'done'"""
_PARKED = """
    select distinct split_part(key, '|', 2) as key from parked_keys
     where connection = $1 and key = any($2::text[])"""
# What we asked a person ourselves hides nothing: how else would we see that it is over? Nor does what is only about
# money that the shop gives back, while the order itself is written.
_REVIEWS = """
    select distinct key from reviews r where connection = $1 and state = 'open' and key = any($2::text[])
       and kind not in ('overpaid', 'refund_by_hand')
       and not exists (select from drift d where d.state in ('review', 'repairing') and
                       (d.connection, d.entity, d.key, d.kind) = (r.connection, r.entity, r.key, r.kind))"""
# What a person has settled (not what was to be tried again): of which content, by when it was asked, and when. What we
# asked ourselves is left out, since its row tells when it is over.
_DECIDED = """
    select key, entity, (details->>'asked_at')::timestamptz as asked_at, updated_at as decided_at from reviews r
     where connection = $1 and state = 'decided' and key = any($2::text[])
       and details->>'decided' in ('done', 'ignore') and details ? 'asked_at'
       and not exists (select from drift d where d.state = 'review' and
                       (d.connection, d.entity, d.key, d.kind) = (r.connection, r.entity, r.key, r.kind))
     order by updated_at"""
# What the order's own writer did after its letter was written is newer than the letter.
_DEAD_LETTERS = """
    select distinct key from alerts a
     where connection = $1 and state = 'open' and kind in ('dead_letter', 'key_halted') and key = any($2::text[])
       and entity = any($3::text[])
       and not exists (select from journal j where a.kind = 'dead_letter' and a.entity = $4
                          and (j.connection, j.entity, j.key, j.service) = (a.connection, a.entity, a.key, a.service)
                          and j.outcome = 'applied' and j.started_at > a.last_at)"""
# In flight: received, and no outcome yet. The latest hop at ingress and at the writers, of an order or its shipments.
_IN_FLIGHT = """
    select key, max(finished_at) filter (where outcome = 'received') as received,
           max(finished_at) filter (where outcome not in ('received', 'retrying', 'published')
                                      and service in ('heartland_writer', 'shopify_writer')
                                       or service = 'transformers'
                                      and outcome in ('review', 'skipped', 'dead_letter')) as ended
      from journal where connection = $1 and entity = any($3::text[]) and key = any($2::text[])
     group by key, entity"""
_LINKS = "select shopify_id, heartland_id from links where connection = $1 and entity = $3 and "


class RecordQueries:
    """Records of one connection, by their keys. Every method raises TargetDown without a database."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def versions(self, connection: str, entity: str, target: str, keys: Sequence[str]) -> Rows:
        """`key`, `version`, `content_hash` and `blocked` of what was written last to this target."""
        return await self._db.fetch(_VERSIONS, connection, list(keys), entity, target)

    async def in_doubt(self, connection: str, keys: Sequence[str]) -> Rows:
        """`key` of those with a call whose outcome is unknown."""
        return await self._db.fetch(_IN_DOUBT, connection, list(keys))

    async def done(self, connection: str, keys: Sequence[str], operation: str) -> Rows:
        """`key`, `operation` and `result` of calls that were made; their operations begin with `<operation>:`."""
        return await self._db.fetch(_DONE, connection, list(keys), operation)

    async def parked(self, connection: str, keys: Sequence[str]) -> Rows:
        """`key` of those that are parked."""
        return await self._db.fetch(_PARKED, connection, [f"{connection}|{key}" for key in keys])

    async def under_review(self, connection: str, keys: Sequence[str]) -> Rows:
        """`key` of those about which a person is asked, other than by the reconciler."""
        return await self._db.fetch(_REVIEWS, connection, list(keys))

    async def decided(self, connection: str, keys: Sequence[str]) -> Rows:
        """`key`, `entity`, `asked_at` and `decided_at` of what a person settled."""
        return await self._db.fetch(_DECIDED, connection, list(keys))

    async def dead_letters(self, connection: str, keys: Sequence[str], entities: Sequence[str], own: str) -> Rows:
        """`key` of those with an open dead letter.

        One of the entity `own` that was written since does not count.
        """
        return await self._db.fetch(_DEAD_LETTERS, connection, list(keys), list(entities), own)

    async def in_flight(self, connection: str, keys: Sequence[str], entities: Sequence[str]) -> Rows:
        """`key`, and when something of it was last `received` and last `ended`."""
        return await self._db.fetch(_IN_FLIGHT, connection, list(keys), list(entities))

    async def links(self, connection: str, entity: str, shopify_ids: Sequence[str]) -> Rows:
        """`shopify_id` and `heartland_id` of these records."""
        return await self._db.fetch(_LINKS + "shopify_id = any($2::text[])", connection, list(shopify_ids), entity)

    async def linked(self, connection: str, entity: str, heartland_ids: Sequence[str]) -> Rows:
        """The same, by Heartland's ids."""
        return await self._db.fetch(_LINKS + "heartland_id = any($2::text[])", connection, list(heartland_ids), entity)
