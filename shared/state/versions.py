"""The version gate: what was written last to a target, so that nothing older overwrites it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from shared.state.database import Database


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


async def read_version(db: Database, connection: str, entity: str, key: str, target: str) -> Version | None:
    """What was written last of a record to one target. Raises TargetDown without a database."""
    row = await db.fetchrow(
        "select version, content_hash from versions where (connection, entity, key, target) = ($1, $2, $3, $4)",
        connection, entity, key, target,
    )  # fmt: skip
    return None if row is None else Version(row["version"], row["content_hash"])


# Part of the statement in `notes`: a version lower than the stored one changes nothing.
PUT = """
    insert into versions as v (connection, entity, key, target, version, content_hash)
    select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::text[])
    on conflict (connection, entity, key, target) do update
       set version = excluded.version, content_hash = excluded.content_hash, updated_at = clock_timestamp()
     where v.version <= excluded.version"""
