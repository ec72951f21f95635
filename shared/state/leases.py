"""Leases: only one replica holds a name.

All names are advisory locks of one database session and end with it.

The server ends a session that is silent for long, so that a process which was frozen does not keep what it does not
do: others take over, and when it wakes up it holds nothing. A pulse keeps the session of a living process.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg

from shared.errors import TargetDown

_CONNECT_SECONDS = 10.0
_CLOSE_SECONDS = 2.0
# Errors of a lost session, an unreachable server and a refused statement; the last one is raised when the session ends
# during a statement.
_LOST = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


def lock_number(name: str) -> int:
    """The advisory lock number of a name: 63 bits of its hash, so that collisions are negligible."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1


class Leases:
    """The leases of one process. Check `holds` before each step. Created by `open_leases`."""

    def __init__(self, url: str, idle_seconds: float) -> None:
        self._url = url
        self._idle = idle_seconds
        self._session: asyncpg.Connection[asyncpg.Record] | None = None
        self._held: set[str] = set()
        # A session runs one statement at a time.
        self._turn = asyncio.Lock()

    async def holds(self, name: str) -> bool:
        """Whether this process holds `name`; acquires it if it is free. Raises TargetDown without a database."""
        async with self._turn:
            try:
                session = await self._open()
                if name in self._held:
                    await session.fetchval("select 1")
                elif await session.fetchval("select pg_try_advisory_lock($1)", lock_number(name)):
                    self._held.add(name)
            except _LOST as error:
                await self._drop()
                raise TargetDown(f"the lease {name} cannot be asked for: {type(error).__name__}") from error
            return name in self._held

    async def release(self, name: str) -> None:
        """Release a lease: a process that cannot do the work must not keep it from one that can."""
        async with self._turn:
            if self._session is not None and name in self._held:
                self._held.discard(name)
                try:
                    await self._session.fetchval("select pg_advisory_unlock($1)", lock_number(name))
                except _LOST:
                    await self._drop()

    async def pulse(self) -> None:
        """Keep the session alive; if it is lost, all leases are."""
        async with self._turn:
            if self._session is not None:
                try:
                    await self._session.fetchval("select 1")
                except _LOST:
                    await self._drop()

    async def close(self) -> None:
        async with self._turn:
            await self._drop()

    async def _open(self) -> asyncpg.Connection[asyncpg.Record]:
        if self._session is None or self._session.is_closed():
            await self._drop()
            self._session = await asyncpg.connect(
                self._url,
                timeout=_CONNECT_SECONDS,
                command_timeout=_CONNECT_SECONDS,
                server_settings={
                    "application_name": "tillbridge lease",
                    "idle_session_timeout": str(round(self._idle * 1000)),
                },
            )
        return self._session

    async def _drop(self) -> None:
        session, self._session = self._session, None
        self._held.clear()
        if session is not None:
            with suppress(*_LOST):
                await session.close(timeout=_CLOSE_SECONDS)


@asynccontextmanager
async def open_leases(url: str, idle_seconds: float = 10.0) -> AsyncIterator[Leases]:
    """Leases whose session ends with this process, or after `idle_seconds` without a heartbeat."""
    leases = Leases(url, idle_seconds)
    beating = asyncio.create_task(_beat(leases, idle_seconds / 5), name="leases")
    try:
        yield leases
    finally:
        beating.cancel()
        with suppress(asyncio.CancelledError):
            await beating
        await leases.close()


async def _beat(leases: Leases, seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds)
        await leases.pulse()
