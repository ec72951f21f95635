"""A lease: of all replicas, one does a thing. It is held by a database session, and gone with it."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg

from shared.errors import TargetDown

_CONNECT_SECONDS = 10.0
# How the driver says that a session is gone: the last one when it ends in the middle of a question.
_GONE = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


def lock_number(name: str) -> int:
    """The advisory lock of a name: 63 bits of its hash, so that two names hardly ever share one."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1


class Lease:
    """Holds, or does not: ask `held` before each step. Made by `open_lease`."""

    def __init__(self, connection: asyncpg.Connection[asyncpg.Record], name: str) -> None:
        self._connection = connection
        self._number = lock_number(name)
        self._has = False

    async def held(self) -> bool:
        """Whether it is ours, taking it if it is free. False also where the session is gone: somebody else may have it.

        Raises TargetDown for a session that cannot be asked; open a new lease then.
        """
        try:
            if not self._has:
                self._has = bool(await self._connection.fetchval("select pg_try_advisory_lock($1)", self._number))
            else:
                await self._connection.fetchval("select 1")
        except _GONE as error:
            self._has = False
            raise TargetDown(f"the lease cannot be asked for: {type(error).__name__}") from error
        return self._has


@asynccontextmanager
async def open_lease(url: str, name: str) -> AsyncIterator[Lease]:
    """A session of its own for one name. Raises TargetDown where the database is away."""
    try:
        connection = await asyncpg.connect(url, timeout=_CONNECT_SECONDS, command_timeout=_CONNECT_SECONDS)
    except _GONE as error:
        raise TargetDown(f"PostgreSQL is not available: {type(error).__name__}") from error
    try:
        yield Lease(connection, name)
    finally:
        with suppress(*_GONE):
            await connection.close(timeout=2.0)
