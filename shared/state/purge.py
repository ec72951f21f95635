"""Purge: deletes all state of one connection's records, but not the connection."""

from __future__ import annotations

from shared.state.database import Database

# Parked records are deleted with their keys (cascade).
_TABLES = (
    "links", "effects", "versions", "parked_keys", "reviews", "cursors", "journal", "alerts", "drift", "webhook_watch",
    "webhook_counts",
)  # fmt: skip


async def forget(db: Database, connection: str) -> None:
    """Delete the state, for a connection whose vendor account starts empty.

    Raises TargetDown without a database.
    """
    async with db.transaction() as transaction:
        for table in _TABLES:
            await transaction.execute(f"delete from {table} where connection = $1", connection)  # noqa: S608 - named above
