"""PostgreSQL: connection pool, value codecs and error mapping (a lost connection raises TargetDown)."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hashlib
import re
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from importlib import resources
from typing import TYPE_CHECKING, Any, ParamSpec, TypeAlias, TypeVar

import asyncpg
import orjson

from shared.errors import Misconfigured, TargetDown

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    # The stubs know them as generic; at run time they are not.
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
    Connection: TypeAlias = PoolConnectionProxy[asyncpg.Record] | asyncpg.Connection[asyncpg.Record]

P = ParamSpec("P")
R = TypeVar("R")

COMMAND_SECONDS = 30.0
# An escaped NUL; an escaped backslash before u0000 is not one.
_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")
# An advisory lock number that nothing else uses in this database.
_MIGRATION_LOCK = 7_145_520_260

# The database is down, restarting, full, or ended the transaction as a deadlock victim: not the statement's fault.
# Every statement is idempotent, so it does not matter whether a lost one was executed.
_UNAVAILABLE: tuple[type[Exception], ...] = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    # asyncpg says so of the first statement on a connection that the server closed while it was idle.
    asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.ReadOnlySQLTransactionError,  # a replica, in the middle of a failover
)
_MISCONFIGURED: tuple[type[Exception], ...] = (
    asyncpg.InvalidPasswordError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.ClientConfigurationError,
    ValueError,
)


@contextlib.contextmanager
def mapped_errors() -> Iterator[None]:
    """Map a lost or refused connection to TargetDown; everything else passes."""
    try:
        yield
    except _UNAVAILABLE as error:
        raise TargetDown(f"PostgreSQL is not available: {type(error).__name__}: {error}") from error


def reaches_database(method: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, Coroutine[Any, Any, R]]:
    """Decorator for methods that use the pool directly: a lost or refused connection raises TargetDown."""

    @functools.wraps(method)
    async def reaching(*args: P.args, **kwargs: P.kwargs) -> R:
        with mapped_errors():
            return await method(*args, **kwargs)

    return reaching


class Database:
    """One connection pool per process, shared by all state modules.

    Each helper takes a connection of its own.
    """

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self._tasks: set[asyncio.Task[None]] = set()

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, pool_size: int) -> AsyncIterator[Database]:
        """Connect. Raises TargetDown if no server answers, Misconfigured if the URL or the login is wrong.

        On leaving, statements under way are finished first.
        """
        pool = await _open_pool(url, pool_size)
        database = cls(pool)
        try:
            yield database
        finally:
            await database._finish()
            await _close(pool)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection for a few statements. Never hold it while waiting for anything but the database."""
        with mapped_errors():
            async with self.pool.acquire(timeout=COMMAND_SECONDS) as connection:
                yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A transaction: all statements or none."""
        async with self.connection() as connection, connection.transaction():
            yield connection

    async def fetch(self, sql: str, *values: object) -> list[asyncpg.Record]:
        with mapped_errors():
            return await self.pool.fetch(sql, *values)

    async def fetchrow(self, sql: str, *values: object) -> asyncpg.Record | None:
        with mapped_errors():
            return await self.pool.fetchrow(sql, *values)

    async def execute(self, sql: str, *values: object) -> int:
        """Returns how many rows the statement touched."""
        with mapped_errors():
            return touched(await self.pool.execute(sql, *values))

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a statement independently of the calling task; it is awaited before the pool closes."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _finish(self) -> None:
        while self._tasks:
            await asyncio.wait(list(self._tasks))


def touched(status: str) -> int:
    """The number of rows in a status such as `UPDATE 3`."""
    last = status.rpartition(" ")[2]
    return int(last) if last.isdecimal() else 0


def columns(rows: Sequence[Sequence[Any]], width: int) -> list[list[Any]]:
    """Rows as columns, as `unnest` takes them."""
    return [[row[number] for row in rows] for number in range(width)]


def clean(text: str) -> str:
    """`text` without NUL and lone surrogates, which PostgreSQL cannot store and foreign text may hold."""
    if "\x00" in text:
        text = text.replace("\x00", "\ufffd")
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


@contextlib.contextmanager
def _connecting() -> Iterator[None]:
    """Map connection errors: a wrong URL or login is Misconfigured, an unreachable server TargetDown."""
    with mapped_errors():
        try:
            yield
        except _MISCONFIGURED as error:  # first: asyncpg's ClientConfigurationError is an InterfaceError too
            raise Misconfigured(f"DATABASE_URL: {error}") from error


class _UnresetConnection(asyncpg.Connection):
    """Skips the session reset on release.

    No statement here changes session state (LISTEN, cursors, settings).

    The reset is a round trip after every statement: a fifth of a writer's database time.
    """

    def get_reset_query(self) -> str:
        return ""


async def _open_pool(url: str, pool_size: int) -> Pool:
    with _connecting():
        return await asyncpg.create_pool(
            url,
            min_size=1,
            max_size=pool_size,
            init=_prepare,
            connection_class=_UnresetConnection,
            command_timeout=COMMAND_SECONDS,
            server_settings={"application_name": "tillbridge", "timezone": "UTC", "jit": "off"},
        )


async def _close(pool: Pool) -> None:
    try:
        async with asyncio.timeout(5):
            await pool.close()
    except _UNAVAILABLE:
        pool.terminate()


async def _prepare(connection: Connection) -> None:
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        format="binary",
        encoder=lambda value: b"\x01" + to_json(value),
        decoder=lambda data: orjson.loads(data[1:]),
    )


def to_json(value: object) -> bytes:
    """Encode JSON without NUL and surrogates; decimals as strings, so that money is never a float."""
    data = orjson.dumps(value, default=_json_default, option=orjson.OPT_NON_STR_KEYS)
    return _NUL.sub(rb"\1\\ufffd", data) if b"\\u0000" in data else data


def _json_default(value: object) -> object:
    if isinstance(value, Decimal):
        return format(value, "f")
    raise TypeError(f"{type(value).__name__} is not JSON")


async def migrate(url: str) -> list[str]:
    """Apply pending migrations and return their names. Safe to call from any number of processes.

    Raises TargetDown without a database, Misconfigured if a file was changed after it had been applied.
    """
    with _connecting():
        connection = await asyncpg.connect(url, timeout=COMMAND_SECONDS)
    with mapped_errors():
        try:
            await connection.execute("select pg_advisory_lock($1)", _MIGRATION_LOCK)
            return await _apply(connection)
        finally:
            # Closing the session releases the lock.
            await connection.close()


async def _apply(connection: Connection) -> list[str]:
    await connection.execute(
        """create table if not exists schema_migrations (
               name text primary key, sha256 text not null, applied_at timestamptz not null default now())"""
    )
    done = {row["name"]: row["sha256"] for row in await connection.fetch("select name, sha256 from schema_migrations")}
    return [name for name, sql in _migrations() if await _apply_one(connection, name, sql, done)]


async def _apply_one(connection: Connection, name: str, sql: str, done: dict[str, str]) -> bool:
    digest = hashlib.sha256(sql.encode()).hexdigest()
    if name in done:
        if done[name] != digest:
            raise Misconfigured(f"migration {name} was changed after this database had applied it: add a new one")
        return False
    async with connection.transaction():
        await connection.execute(sql)
        await connection.execute("insert into schema_migrations (name, sha256) values ($1, $2)", name, digest)
    return True


def _migrations() -> list[tuple[str, str]]:
    folder = resources.files("shared.state") / "migrations"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    return [(file.name.removesuffix(".sql"), file.read_text(encoding="utf-8")) for file in files]
