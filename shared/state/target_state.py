"""Target state: what is stored of a record and a target before it is written.

Version, link, and its buyer's link.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from shared.state.database import Database, clean, columns
from shared.state.group_commit import GroupCommit
from shared.state.links import LinkRow
from shared.state.versions import Version


@dataclass(frozen=True, slots=True)
class TargetState:
    """None for what is not there. `buyer_id` is the customer's id in Heartland."""

    version: Version | None = None
    link: LinkRow | None = None
    buyer_id: str | None = None


_Key = tuple[str, str, str, str, str]  # connection, entity, key, target, Shopify's customer id

_READ = """
    select w.connection, w.entity, w.key, w.target, w.customer, v.version, v.content_hash,
           v.definitions_version, v.blocked, v.has_open_reviews,
           l.heartland_id, l.heartland_public_id, l.linked_at, b.heartland_id as buyer_id
      from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
           as w (connection, entity, key, target, customer)
      left join versions v on (v.connection, v.entity, v.key, v.target) = (w.connection, w.entity, w.key, w.target)
      left join links l on (l.connection, l.entity, l.shopify_id) = (w.connection, w.entity, w.key)
      left join links b on (b.connection, b.entity, b.shopify_id) = (w.connection, 'customer', w.customer)"""


class TargetStates:
    """Records that Shopify's id is the key of. Calls of many lanes share one statement."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._reads = GroupCommit(self._get, lambda key: key, db.spawn, keep=False)

    async def get(self, connection: str, entity: str, key: str, target: str, customer_id: str = "") -> TargetState:
        """All three at one moment. Raises TargetDown without a database."""
        return await self._reads((connection, entity, clean(key), target, clean(customer_id)))

    async def _get(self, keys: Sequence[_Key]) -> list[TargetState]:
        rows = await self._db.fetch(_READ, *columns(keys, 5))
        found = {
            (row["connection"], row["entity"], row["key"], row["target"], row["customer"]): _target_state(row)
            for row in rows
        }
        return [found[key] for key in keys]


def _target_state(row: asyncpg.Record) -> TargetState:
    version = None
    if row["version"] is not None:
        version = Version(
            version=row["version"],
            content_hash=row["content_hash"],
            definitions_version=row["definitions_version"],
            blocked=row["blocked"],
            has_open_reviews=row["has_open_reviews"],
        )
    link = None
    if row["heartland_id"] is not None:
        link = LinkRow(
            connection=row["connection"],
            entity=row["entity"],
            shopify_id=row["key"],
            heartland_id=row["heartland_id"],
            heartland_public_id=row["heartland_public_id"],
            linked_at=row["linked_at"],
        )
    return TargetState(version, link, row["buyer_id"])
