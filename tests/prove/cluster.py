"""The system under proof: two processes of each service, and a proxy on every line between any two parts."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import aiohttp
import orjson

from deploy.local.broker import Broker, open_broker
from deploy.local.database import DATABASE, LocalDatabase, open_database
from deploy.local.ports import Ports
from deploy.local.processes import Watchdog
from deploy.local.services import SERVICES
from deploy.local.stack import Stack, open_stack
from shared.state.connections import Connection
from shared.state.database import Database
from tests.support.proxy import Proxy, open_proxy

Json = dict[str, Any]

REPLICAS = 2
SESSION_SECONDS = 6.0
READ_LAG_SECONDS = 3.0
# A webhook that is late by design (20 s) is no drift.
RECONCILE_SECONDS, SETTLING_SECONDS = 10.0, 25.0
# Every waiting time short, so that ten minutes hold what elsewhere takes a day.
SETTINGS: Mapping[str, str] = {
    "SANDBOX_LATENCY_MS": "5",
    "SANDBOX_PLAN": "plus",
    "HEARTLAND_REQUESTS_PER_SECOND": "0",
    "HEARTLAND_MAX_IN_FLIGHT": "16",
    "HEARTLAND_TIMEOUT_SECONDS": "3",
    "SHOPIFY_READ_LAG_SECONDS": str(READ_LAG_SECONDS),
    "POLL_SECONDS": "1",
    "AWAITED_CHECK_SECONDS": "1",
    "PARK_SCHEDULE_SECONDS": "2,2,3,3,5,5,10,10,20,20",
    "OUTAGE_PARK_SECONDS": "8",
    "SESSION_TIMEOUT_SECONDS": f"{SESSION_SECONDS:g}",
    "CONNECTIONS_REFRESH_SECONDS": "5",
    "REREAD_WINDOW_MS": "100",
    "RECONCILE_SECONDS": f"{RECONCILE_SECONDS:g}",
    "RECONCILE_RECHECK_SECONDS": "3",
    # The faults of many days in minutes: more differs within an hour than a shop's caps would let through.
    "RECONCILE_MAX_REPAIRS": "100000",
    "RECONCILE_MAX_AT_RISK": "100000000",
    "RECONCILE_SETTLING_SECONDS": f"{SETTLING_SECONDS:g}",
    "LOG_LEVEL": "info",
}
CONNECTION_SETTINGS = {"read_lag_seconds": READ_LAG_SECONDS, "note_field": "note"}
# What the machine's own environment must not decide here.
IGNORED = ("SHOPIFY_", "HEARTLAND_", "SANDBOX_", "CONNECTION_", "KAFKA_", "DATABASE_", "TOPIC_")


@dataclass(frozen=True)
class Lines:
    """The proxies. `webhooks` also shares the deliveries out to the replicas of ingress."""

    broker: Proxy
    database: Proxy
    heartland: Proxy
    shopify: Proxy
    webhooks: Proxy

    def named(self, name: str) -> Proxy:
        proxy: Proxy = getattr(self, name)
        return proxy

    def heal(self) -> None:
        for proxy in (self.broker, self.database, self.heartland, self.shopify, self.webhooks):
            proxy.heal()


@dataclass(frozen=True)
class Cluster:
    """Everything that runs, and the handles on it. `direct_url` reaches the database past the proxy."""

    stack: Stack
    broker: Broker
    database: LocalDatabase
    lines: Lines
    session: aiohttp.ClientSession
    books: Database
    journal: Path

    @property
    def services(self) -> dict[str, list[str]]:
        """The names of the processes of each service, without the sandbox."""
        names = [service.name for service in SERVICES if service.name != "sandbox"]
        return {name: [name, *(f"{name}-{n}" for n in range(2, REPLICAS + 1))] for name in names}

    @property
    def pids(self) -> dict[str, int]:
        """Of every process there is: services, sandbox, broker and database."""
        running = {name: state.pid for name, state in self.stack.supervisor.states.items()}
        return {**running, "broker": self.broker.pid, "database": self.database.pid}

    def is_ready(self, process: str) -> bool:
        return self.stack.supervisor.states[process].state == "ready"

    @property
    def all_ready(self) -> bool:
        return all(state.state == "ready" for state in self.stack.supervisor.states.values())

    def signal(self, process: str, number: signal.Signals) -> int:
        """To one service; its pid. Every service leads a process group of its own."""
        pid = self.stack.supervisor.states[process].pid
        os.killpg(pid, number)
        return pid

    async def control(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """A call to the sandbox's own handles: status and answer."""
        status, answer = await self.raw(method, path, body)
        return status, orjson.loads(answer)

    async def raw(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        """The same with the answer's bytes as they are."""
        url = f"{self.stack.sandbox_url}/_sandbox{path}"
        data = None if body is None else orjson.dumps(body)
        async with self.session.request(method, url, data=data) as response:
            return response.status, await response.read()


@asynccontextmanager
async def open_cluster(
    folder: Path,
    build: Path,
    *,
    seed: int,
    tell: Callable[[str], None],
    settings: Mapping[str, str] | None = None,
    read_lag_seconds: float = READ_LAG_SECONDS,
) -> AsyncIterator[Cluster]:
    """Yields once every process is ready. Data lies in `folder`, logs and the sandbox's journal in `build`."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(IGNORED)}
    journal = build / "journal.jsonl"
    async with AsyncExitStack() as stack:
        watchdog, ports = stack.enter_context(Watchdog()), stack.enter_context(Ports())
        line = _liner(stack, seed)
        tell("starting broker and database behind their proxies")
        to_broker, to_database, broker, database, url = await _servers(stack, folder, environ, ports, watchdog, line)
        lines = Lines(to_broker, to_database, *[await line() for _ in range(3)])
        given = {
            **environ,
            **SETTINGS,
            **(settings or {}),
            "KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap_servers,
            "DATABASE_URL": url,
            "SANDBOX_WEBHOOK_URL": f"http://127.0.0.1:{lines.webhooks.port}",
            "SANDBOX_JOURNAL_PATH": str(journal),
            "SANDBOX_RANDOM_SEED": str(seed),
            "CONNECTION_SETTINGS_FILE": str(_connection_settings(folder, read_lag_seconds)),
        }
        running = await stack.enter_async_context(
            open_stack(given, folder=folder, build=build, replicas=REPLICAS, adapt=_through(lines), tell=tell)
        )
        _share_out_webhooks(running, lines.webhooks)
        session = await stack.enter_async_context(
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30), connector=aiohttp.TCPConnector(limit=0))
        )
        books = await stack.enter_async_context(Database.open(database.url, 2))
        yield Cluster(running, broker, database, lines, session, books, journal)


def _liner(stack: AsyncExitStack, seed: int) -> Callable[..., Any]:
    async def line(*upstreams: Any, path: Path | None = None) -> Proxy:
        return await stack.enter_async_context(open_proxy(*upstreams, path=path, random=Random(seed)))

    return line


async def _servers(
    stack: AsyncExitStack,
    folder: Path,
    environ: Mapping[str, str],
    ports: Ports,
    watchdog: Watchdog,
    line: Callable[..., Any],
) -> tuple[Proxy, Proxy, Broker, LocalDatabase, str]:
    to_broker: Proxy = await line()

    def listens(port: int) -> None:
        to_broker.upstreams[:] = [("127.0.0.1", port)]

    broker = await stack.enter_async_context(
        open_broker(
            folder / "kafka",
            environ=environ,
            ports=ports,
            watchdog=watchdog,
            advertised_port=to_broker.port,
            listens=listens,
        )
    )
    database = await stack.enter_async_context(open_database(folder / "postgres", watchdog=watchdog))
    # A socket's path must be short, wherever the run has its folder.
    sockets = Path(tempfile.mkdtemp(prefix="proof-"))
    stack.callback(shutil.rmtree, sockets, ignore_errors=True)
    behind = Path(parse_qs(urlsplit(database.url).query)["host"][0]) / ".s.PGSQL.5432"
    to_database: Proxy = await line(behind, path=sockets / ".s.PGSQL.5432")
    return to_broker, to_database, broker, database, f"postgresql://postgres@/{DATABASE}?host={quote(str(sockets))}"


def _connection_settings(folder: Path, read_lag_seconds: float) -> Path:
    path = folder / "connection.json"
    path.write_bytes(orjson.dumps({**CONNECTION_SETTINGS, "read_lag_seconds": read_lag_seconds}))
    return path


def _through(lines: Lines) -> Callable[[Connection], Connection]:
    """Each vendor is reached through a proxy of its own, though both are one sandbox."""

    def adapt(connection: Connection) -> Connection:
        credentials = {}
        for system, given in connection.credentials.items():
            address, proxy = urlsplit(given["base_url"]), lines.named(system)
            proxy.upstreams[:] = [("127.0.0.1", address.port or 80)]
            credentials[system] = {**given, "base_url": f"http://127.0.0.1:{proxy.port}"}
        return replace(connection, credentials=credentials)

    return adapt


def _share_out_webhooks(running: Stack, proxy: Proxy) -> None:
    launches = [state.launch for name, state in running.supervisor.states.items() if name.startswith("ingress")]
    proxy.upstreams[:] = [("127.0.0.1", int(launch.environ["INGRESS_PORT"])) for launch in launches]
