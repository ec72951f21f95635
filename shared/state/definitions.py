"""Definitions: what a merchant chose for a connection, in versions.

A published version is never changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import asyncpg

from shared.errors import Rejected
from shared.state.database import Database

if TYPE_CHECKING:
    from shared.state.database import Connection as Transaction

_LOCK = 7_204_119
_COLUMNS = "version, settings, author, reason, published_at"


@dataclass(frozen=True, slots=True)
class DefinitionsVersion:
    """One published version: the settings, nested by vendor and entity, who published them, and why."""

    version: int
    settings: dict[str, Any]
    author: str
    reason: str
    published_at: datetime


class Definitions:
    """The versions of every connection. Every method raises TargetDown without a database."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def get(self, connection: str, version: int | None = None) -> DefinitionsVersion:
        """A version; without a number the one in use.

        Raises Rejected where there is none, or no such connection.
        """
        row = await self._db.fetchrow(
            f"""select {_COLUMNS} from definitions d
                 where connection = $1 and version = coalesce(
                       $2, (select definitions_version from connections where name = $1))""",  # noqa: S608
            connection, version,
        )  # fmt: skip
        if row is None:
            await self._require(connection)
            last = await self._db.fetchrow("select max(version) from definitions where connection = $1", connection)
            newest = last["max"] if last else 0
            raise Rejected(f"connection {connection} has no settings version {version}; the newest is {newest}")
        return _version(row)

    async def history(self, connection: str) -> Sequence[DefinitionsVersion]:
        """All versions, the newest first. Raises Rejected where there is no such connection."""
        await self._require(connection)
        rows = await self._db.fetch(
            f"select {_COLUMNS} from definitions where connection = $1 order by version desc",  # noqa: S608
            connection,
        )
        return [_version(row) for row in rows]

    async def publish(
        self, connection: str, settings: Mapping[str, Any], *, replaces: int, author: str, reason: str
    ) -> int:
        """Publish settings and put them to use; their version.

        `replaces` is the version that they were made from.

        Raises Rejected where another version has been published meanwhile: no change is overwritten unseen.
        """
        async with self._db.transaction() as transaction:
            await lock_definitions(transaction, connection)
            last = await last_version(transaction, connection)
            if last is None:
                raise Rejected(f"there is no connection {connection}")
            if last.version != replaces:
                raise Rejected(
                    f"version {last.version} was published by {last.author} meanwhile: look at it, and set yours again"
                )
            version = last.version + 1
            await add_version(transaction, connection, version, settings, author, reason)
            await transaction.execute(
                "update connections set definitions_version = $2, updated_at = clock_timestamp() where name = $1",
                connection, version,
            )  # fmt: skip
        return version

    async def _require(self, connection: str) -> None:
        if await self._db.fetchrow("select 1 from connections where name = $1", connection) is None:
            raise Rejected(f"there is no connection {connection}")


async def lock_definitions(transaction: Transaction, connection: str) -> None:
    """Lock the connection's settings against other publishers until the transaction ends."""
    await transaction.execute("select pg_advisory_xact_lock($1, hashtext($2))", _LOCK, connection)


async def last_version(transaction: Transaction, connection: str) -> DefinitionsVersion | None:
    row = await transaction.fetchrow(
        f"select {_COLUMNS} from definitions where connection = $1 order by version desc limit 1",  # noqa: S608
        connection,
    )
    return None if row is None else _version(row)


async def add_version(
    transaction: Transaction, connection: str, version: int, settings: Mapping[str, Any], author: str, reason: str
) -> None:
    await transaction.execute(
        "insert into definitions (connection, version, settings, author, reason) values ($1, $2, $3, $4, $5)",
        connection, version, dict(settings), author, reason,
    )  # fmt: skip


def _version(row: asyncpg.Record) -> DefinitionsVersion:
    return DefinitionsVersion(**dict(row.items()))
