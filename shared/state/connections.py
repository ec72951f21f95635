"""Connections: one Heartland account and one Shopify shop each, with their credentials and settings."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import orjson
from pydantic import SecretStr
from structlog.typing import FilteringBoundLogger

from shared.errors import Misconfigured, TargetDown
from shared.runtime.settings import Settings
from shared.state.database import Database
from shared.state.definitions import add_version, last_version, lock_definitions
from shared.state.encryption import read_key, seal, unseal

CheckSettings = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Connection:
    """`credentials` are by system (`shopify`, `heartland`) and never printed.

    `settings` hold nothing secret.

    `settings` are nested by vendor and entity. `definitions_version` is their version; 0 for some that are not stored.
    """

    name: str
    credentials: dict[str, dict[str, str]] = field(repr=False)
    settings: dict[str, Any] = field(default_factory=dict)
    definitions_version: int = 0


def accept_all(_: Mapping[str, Any]) -> None:
    """No check of settings, for those who use credentials only."""


class ConnectionStore:
    """The table of connections. Raises Misconfigured for a key that is not 32 bytes in base64.

    `check` raises Misconfigured for settings that cannot be used.
    """

    def __init__(self, db: Database, secret_key: SecretStr | str, check: CheckSettings = accept_all) -> None:
        self._db = db
        self._key = read_key(secret_key.get_secret_value() if isinstance(secret_key, SecretStr) else secret_key)
        self._check = check

    async def put(
        self,
        connection: Connection,
        *,
        keep_settings: bool = False,
        author: str = "tillbridge",
        reason: str = "connected",
    ) -> None:
        """Insert or replace a connection and activate it.

        Its settings become a version if they differ from the last.

        `keep_settings`: settings that are stored already stay as they are. Raises Misconfigured for a bad name or bad
        settings, TargetDown without a database.
        """
        _check_name(connection.name)
        self._check(connection.settings)
        sealed = seal(self._key, connection.name, orjson.dumps(connection.credentials))
        async with self._db.transaction() as transaction:
            await lock_definitions(transaction, connection.name)
            last = await last_version(transaction, connection.name)
            version = last.version if last else 0
            if last is not None and keep_settings:
                self._check(last.settings)
            if last is None or (not keep_settings and last.settings != connection.settings):
                version += 1
                await add_version(transaction, connection.name, version, connection.settings, author, reason)
            await transaction.execute(
                """insert into connections (name, sealed, definitions_version) values ($1, $2, $3)
                   on conflict (name) do update set sealed = excluded.sealed, active = true,
                          definitions_version = excluded.definitions_version, updated_at = clock_timestamp()""",
                connection.name, sealed, version,
            )  # fmt: skip

    async def all(self) -> list[Connection]:
        """All active connections, by name.

        Raises Misconfigured if one was encrypted with another key, or has settings that cannot be used.
        """
        return [self.open(row) for row in await self.rows()]

    async def rows(self) -> list[asyncpg.Record]:
        """Active connections, still encrypted, with their settings."""
        return await self._db.fetch(
            """select c.name, c.sealed, c.definitions_version, d.settings from connections c
                 join definitions d on (d.connection, d.version) = (c.name, c.definitions_version)
                where c.active order by c.name"""
        )

    def open(self, row: asyncpg.Record) -> Connection:
        """Decrypt one row. Raises Misconfigured."""
        name: str = row["name"]
        credentials = orjson.loads(unseal(self._key, name, row["sealed"]))
        try:
            self._check(row["settings"])
        except Misconfigured as error:
            raise Misconfigured(f"connection {name}: {error.reason}") from None
        return Connection(name, credentials, row["settings"], row["definitions_version"])


class Connections:
    """Cache of the connections. While the database is away, it keeps what was last read."""

    def __init__(self, known: Iterable[Connection]) -> None:
        self._known = {connection.name: connection for connection in known}

    def get(self, name: str) -> Connection | None:
        """The current connection; the same object as long as nothing about it changes."""
        return self._known.get(name)

    def names(self) -> list[str]:
        return sorted(self._known)

    def replace(self, fresh: Iterable[Connection]) -> None:
        """Replace the cache; unchanged connections keep their object, so nothing built on them is rebuilt."""
        view = {connection.name: connection for connection in fresh}
        self._known = {name: old if (old := self._known.get(name)) == new else new for name, new in view.items()}


@asynccontextmanager
async def open_connections(
    db: Database, settings: Settings, log: FilteringBoundLogger, *, check: CheckSettings
) -> AsyncIterator[Connections]:
    """Load the connections now and reload them every `connections_refresh_seconds`.

    Raises TargetDown or Misconfigured if the first load fails, be it that `check` refuses a connection's settings. A
    later failure is only logged.
    """
    store = ConnectionStore(db, settings.secret_key, check)
    view = Connections(await store.all())
    task = asyncio.create_task(_keep_fresh(store, view, settings.connections_refresh_seconds, log))
    try:
        yield view
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _keep_fresh(store: ConnectionStore, view: Connections, seconds: float, log: FilteringBoundLogger) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            view.replace(_readable(store, view, await store.rows(), log))
        except TargetDown as error:
            log.warning("connections are as last read", error=error.reason)


def _readable(
    store: ConnectionStore, view: Connections, rows: Iterable[asyncpg.Record], log: FilteringBoundLogger
) -> list[Connection]:
    """Decrypt each row; an unreadable one keeps its last good state and does not affect the others."""
    found = []
    for row in rows:
        try:
            found.append(store.open(row))
        except Misconfigured as error:
            log.error("a connection cannot be read", connection=row["name"], error=error.reason)
            if (known := view.get(row["name"])) is not None:
                found.append(known)
    return found


def _check_name(name: str) -> None:
    """Check a connection's name: it is part of URLs, keys and metrics."""
    if not name or len(name) > 64 or not all(sign.isascii() and (sign.isalnum() or sign in "-_.") for sign in name):
        raise Misconfigured(f"a connection's name is letters, digits, '-', '_' and '.', 64 at most: {name!r}")
