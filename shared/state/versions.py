"""The version gate: what was written last to a target, so that nothing older overwrites it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from shared.state.database import Database

Verdict = Literal["apply", "stale", "duplicate", "echo"]


@dataclass(frozen=True, slots=True)
class Version:
    """What was written last: `version` is the record's time at its source, `content_hash` its content.

    `definitions_version` is the version of the connection's settings that it was written with. `blocked`: it was not
    written, since a person must act first; the same content is tried again when it comes. `has_open_reviews`: a person
    was asked something about it. Without it, there is no review to resolve, which saves a statement.
    """

    version: datetime
    content_hash: str
    definitions_version: int = 0
    blocked: bool = False
    has_open_reviews: bool = False

    def at(self, version: datetime) -> Version:
        """The same content, as the source had it at a later time."""
        return replace(self, version=version)


def gate(stored: Version | None, event: Version, *, asks_again: bool = False, reapplies: bool = False) -> Verdict:
    """Whether an event is to be written, or why not.

    `stale`: older than what was written. `duplicate`: written already. `echo`: newer, with the content that was
    written; often our own write, which came back. An event that `asks_again` is applied unless it is stale: the target
    was found to differ, or a review was decided. One that `reapplies` is applied where the stored content was
    written with other definitions. Changed definitions alone apply nothing: what was written with others stays a
    duplicate until it is re-applied.
    """
    if stored is None:
        return "apply"
    if event.version < stored.version:
        return "stale"
    if asks_again or stored.blocked or event.content_hash != stored.content_hash:
        return "apply"
    if reapplies and event.definitions_version != stored.definitions_version:
        return "apply"
    return "echo" if event.version > stored.version else "duplicate"


_COLUMNS = "version, content_hash, definitions_version, blocked, has_open_reviews"


async def read_version(db: Database, connection: str, entity: str, key: str, target: str) -> Version | None:
    """What was written last of a record to one target. Raises TargetDown without a database."""
    row = await db.fetchrow(
        f"select {_COLUMNS} from versions where (connection, entity, key, target) = ($1, $2, $3, $4)",  # noqa: S608
        connection, entity, key, target,
    )  # fmt: skip
    return None if row is None else Version(**dict(row.items()))


async def keys_with_other_definitions(
    db: Database,
    connection: str,
    entity: str,
    target: str,
    definitions_versions: Sequence[int],
    *,
    since: datetime,
    after: str = "",
    limit: int,
) -> Sequence[str]:
    """Up to `limit` keys, sorted, that were written to a target with none of these definitions versions.

    Only records whose content is from `since` or later. `after` is the last key of the page before. Raises TargetDown
    without a database.
    """
    rows = await db.fetch(
        """select key from versions
            where connection = $1 and entity = $2 and target = $3 and definitions_version <> all($4) and key > $5
              and version >= $6
            order by key limit $7""",
        connection, entity, target, list(definitions_versions), after, since, limit,
    )  # fmt: skip
    return [row["key"] for row in rows]


# Reads its rows from the CTE `marks` (see ledger.CLAIM_PART). A version lower than the stored one changes nothing.
PUT_PART = """
    insert into versions as v
           (connection, entity, key, target, version, content_hash, definitions_version, blocked, has_open_reviews)
    select connection, entity, key, target, version, content_hash, definitions_version, blocked, has_open_reviews
      from marks
    on conflict (connection, entity, key, target) do update
       set version = excluded.version, content_hash = excluded.content_hash,
           definitions_version = excluded.definitions_version, blocked = excluded.blocked,
           has_open_reviews = excluded.has_open_reviews, updated_at = clock_timestamp()
     where v.version <= excluded.version"""
