"""Provides broker and database.

External servers if configured, else Docker containers if chosen, else embedded.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from deploy.local import kafka
from deploy.local.broker import Broker, open_broker
from deploy.local.database import LocalDatabase, open_database
from deploy.local.ports import Ports
from deploy.local.processes import Watchdog
from shared.errors import Misconfigured

_REACH_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """Name, version and origin of a server, for build/run.json and reports."""

    product: str
    version: str
    obtained: str


@dataclass(frozen=True, slots=True)
class Engine:
    """`broker` and `database` are set if they are embedded and can be killed and restarted."""

    bootstrap_servers: str
    database_url: str
    topic_prefix: str
    broker_info: ServerInfo
    database_info: ServerInfo
    broker: Broker | None = None
    database: LocalDatabase | None = None


@dataclass(frozen=True, slots=True)
class _Kafka:
    address: str
    info: ServerInfo
    broker: Broker | None = None


@dataclass(frozen=True, slots=True)
class _Postgres:
    address: str
    info: ServerInfo
    database: LocalDatabase | None = None


@asynccontextmanager
async def open_engine(
    environ: Mapping[str, str], folder: Path, *, high_throughput: bool = False
) -> AsyncIterator[Engine]:
    """Yields when both are ready. Raises Misconfigured with one line that says what to do."""
    docker = asked_for_docker(environ)
    async with AsyncExitStack() as stack:
        watchdog, ports = stack.enter_context(Watchdog()), stack.enter_context(Ports())
        if servers := environ.get("KAFKA_BOOTSTRAP_SERVERS"):
            broker = _given_broker(servers)
        elif docker:
            broker = _docker_broker(ports)
        else:
            broker = _own_broker(folder / "kafka", environ, ports, watchdog, high_throughput=high_throughput)
        if url := environ.get("DATABASE_URL"):
            database = _given_database(url)
        else:
            database = _docker_database() if docker else _own_database(folder / "postgres", watchdog)
        found_broker, found_database = await _open_concurrently(stack, broker, database)
        yield Engine(
            bootstrap_servers=found_broker.address,
            database_url=found_database.address,
            topic_prefix=environ.get("TOPIC_PREFIX", ""),
            broker_info=found_broker.info,
            database_info=found_database.info,
            broker=found_broker.broker,
            database=found_database.database,
        )


def asked_for_docker(environ: Mapping[str, str]) -> bool:
    value = environ.get("TILLBRIDGE_ENGINE") or "embedded"
    if value not in ("embedded", "docker"):
        raise Misconfigured(f"TILLBRIDGE_ENGINE is {value!r}: unset it for the embedded engine, or set it to docker")
    return value == "docker"


def without_password(url: str) -> str:
    """A database URL without its password, for display."""
    parts = urlsplit(url)
    place = f"{parts.hostname or 'a local socket'}{f':{parts.port}' if parts.port else ''}"
    return f"{place}{parts.path}"


async def _open_concurrently(
    stack: AsyncExitStack,
    broker: AbstractAsyncContextManager[_Kafka],
    database: AbstractAsyncContextManager[_Postgres],
) -> tuple[_Kafka, _Postgres]:
    """Opens both concurrently; the stack closes what was opened, even if the other failed."""
    first = asyncio.ensure_future(stack.enter_async_context(broker))
    second = asyncio.ensure_future(stack.enter_async_context(database))
    await asyncio.gather(first, second, return_exceptions=True)
    return first.result(), second.result()


@asynccontextmanager
async def _given_broker(servers: str) -> AsyncIterator[_Kafka]:
    if not await kafka.reachable(servers, _REACH_SECONDS):
        raise Misconfigured(
            f"no Kafka broker answers at {servers}: start it, or correct or unset KAFKA_BOOTSTRAP_SERVERS"
        )
    # The Kafka protocol does not tell the broker's version.
    yield _Kafka(servers, ServerInfo("Kafka", "as given", f"KAFKA_BOOTSTRAP_SERVERS={servers}"))


@asynccontextmanager
async def _own_broker(
    folder: Path, environ: Mapping[str, str], ports: Ports, watchdog: Watchdog, *, high_throughput: bool
) -> AsyncIterator[_Kafka]:
    opened = open_broker(folder, high_throughput=high_throughput, environ=environ, ports=ports, watchdog=watchdog)
    async with opened as broker:
        info = ServerInfo("Apache Kafka", broker.version, broker.obtained)
        yield _Kafka(broker.bootstrap_servers, info, broker)


@asynccontextmanager
async def _docker_broker(ports: Ports) -> AsyncIterator[_Kafka]:
    from deploy.local.docker import open_kafka_container

    async with open_kafka_container(ports) as container:
        info = ServerInfo("Apache Kafka", container.version, container.obtained)
        yield _Kafka(container.address, info)


@asynccontextmanager
async def _given_database(url: str) -> AsyncIterator[_Postgres]:
    try:
        connection = await asyncpg.connect(url, timeout=_REACH_SECONDS)
    except (OSError, ValueError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise Misconfigured(
            f"no database at {without_password(url)} ({reason}): start it, or correct or unset DATABASE_URL"
        ) from None
    version = await connection.fetchval("show server_version")
    await connection.close()
    yield _Postgres(url, ServerInfo("PostgreSQL", str(version), f"DATABASE_URL at {without_password(url)}"))


@asynccontextmanager
async def _own_database(folder: Path, watchdog: Watchdog) -> AsyncIterator[_Postgres]:
    async with open_database(folder, watchdog=watchdog) as database:
        info = ServerInfo("PostgreSQL", database.version, database.obtained)
        yield _Postgres(database.url, info, database)


@asynccontextmanager
async def _docker_database() -> AsyncIterator[_Postgres]:
    from deploy.local.docker import open_postgres_container

    async with open_postgres_container() as container:
        yield _Postgres(container.address, ServerInfo("PostgreSQL", container.version, container.obtained))
