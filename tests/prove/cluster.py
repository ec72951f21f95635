"""The cluster under test: two processes of each service, and a proxy on every network connection."""

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
# Longer than the injected webhook delay (20 s), which must not count as drift.
RECONCILE_SECONDS, SETTLING_SECONDS = 10.0, 25.0
# Every interval is short, so that ten minutes cover what takes a day in production.
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
    # The faults of many days happen in minutes, so more differs in an hour than the reconciler's caps allow.
    "RECONCILE_MAX_REPAIRS": "100000",
    "RECONCILE_MAX_AT_RISK": "100000000",
    "RECONCILE_SETTLING_SECONDS": f"{SETTLING_SECONDS:g}",
    "LOG_LEVEL": "info",
}
CONNECTION_SETTINGS: dict[str, Any] = {
    "heartland": {"read_lag_seconds": READ_LAG_SECONDS, "order": {"note_field": "note"}}
}
# Variables of the machine's own environment that must not influence a run.
IGNORED = ("SHOPIFY_", "HEARTLAND_", "SANDBOX_", "CONNECTION_", "KAFKA_", "DATABASE_", "TOPIC_")


@dataclass(frozen=True)
class Proxies:
    """The proxies by what is behind them. `webhooks` also balances the deliveries over the replicas of ingress."""

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
    """The running processes and the means to control them. `state_db` bypasses the database's proxy."""

    stack: Stack
    broker: Broker
    database: LocalDatabase
    proxies: Proxies
    session: aiohttp.ClientSession
    state_db: Database
    journal: Path

    @property
    def services(self) -> dict[str, list[str]]:
        """The names of the processes of each service, without the sandbox."""
        names = [service.name for service in SERVICES if service.name != "sandbox"]
        return {name: [name, *(f"{name}-{n}" for n in range(2, REPLICAS + 1))] for name in names}

    @property
    def pids(self) -> dict[str, int]:
        """Process ids of services, sandbox, broker and database by name."""
        running = {name: state.pid for name, state in self.stack.supervisor.states.items()}
        return {**running, "broker": self.broker.pid, "database": self.database.pid}

    def is_ready(self, process: str) -> bool:
        return self.stack.supervisor.states[process].state == "ready"

    @property
    def all_ready(self) -> bool:
        return all(state.state == "ready" for state in self.stack.supervisor.states.values())

    def signal(self, process: str, number: signal.Signals) -> int:
        """Sends a signal to the process group of one service process; returns its pid."""
        pid = self.stack.supervisor.states[process].pid
        os.killpg(pid, number)
        return pid

    async def control(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Calls the sandbox's control API: status and decoded answer."""
        status, answer = await self.raw(method, path, body)
        return status, orjson.loads(answer)

    async def raw(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        """Calls the sandbox's control API: status and undecoded answer, whose numbers are exact."""
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
    """Yields once every process is ready. Writes data to `folder`, logs and the sandbox's journal to `build`."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(IGNORED)}
    journal = build / "journal.jsonl"
    async with AsyncExitStack() as stack:
        watchdog, ports = stack.enter_context(Watchdog()), stack.enter_context(Ports())
        new_proxy = _proxy_opener(stack, seed)
        tell("starting broker and database behind their proxies")
        to_broker, to_database, broker, database, url = await _servers(
            stack, folder, environ, ports, watchdog, new_proxy
        )
        proxies = Proxies(to_broker, to_database, *[await new_proxy() for _ in range(3)])
        given = {
            **environ,
            **SETTINGS,
            **(settings or {}),
            "KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap_servers,
            "DATABASE_URL": url,
            "SANDBOX_WEBHOOK_URL": f"http://127.0.0.1:{proxies.webhooks.port}",
            "SANDBOX_JOURNAL_PATH": str(journal),
            "SANDBOX_RANDOM_SEED": str(seed),
            "CONNECTION_SETTINGS_FILE": str(_connection_settings(folder, read_lag_seconds)),
        }
        running = await stack.enter_async_context(
            open_stack(given, folder=folder, build=build, replicas=REPLICAS, adapt=_through(proxies), tell=tell)
        )
        _balance_webhooks(running, proxies.webhooks)
        session = await stack.enter_async_context(
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30), connector=aiohttp.TCPConnector(limit=0))
        )
        state_db = await stack.enter_async_context(Database.open(database.url, 2))
        yield Cluster(running, broker, database, proxies, session, state_db, journal)


def _proxy_opener(stack: AsyncExitStack, seed: int) -> Callable[..., Any]:
    async def new_proxy(*upstreams: Any, path: Path | None = None) -> Proxy:
        return await stack.enter_async_context(open_proxy(*upstreams, path=path, random=Random(seed)))

    return new_proxy


async def _servers(
    stack: AsyncExitStack,
    folder: Path,
    environ: Mapping[str, str],
    ports: Ports,
    watchdog: Watchdog,
    new_proxy: Callable[..., Any],
) -> tuple[Proxy, Proxy, Broker, LocalDatabase, str]:
    to_broker: Proxy = await new_proxy()

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
    # The path of a Unix socket is limited to about 100 characters, so the run's folder may be too deep.
    sockets = Path(tempfile.mkdtemp(prefix="proof-"))
    stack.callback(shutil.rmtree, sockets, ignore_errors=True)
    behind = Path(parse_qs(urlsplit(database.url).query)["host"][0]) / ".s.PGSQL.5432"
    to_database: Proxy = await new_proxy(behind, path=sockets / ".s.PGSQL.5432")
    return to_broker, to_database, broker, database, f"postgresql://postgres@/{DATABASE}?host={quote(str(sockets))}"


def _connection_settings(folder: Path, read_lag_seconds: float) -> Path:
    path = folder / "connection.json"
    heartland = {**CONNECTION_SETTINGS["heartland"], "read_lag_seconds": read_lag_seconds}
    path.write_bytes(orjson.dumps({**CONNECTION_SETTINGS, "heartland": heartland}))
    return path


def _through(proxies: Proxies) -> Callable[[Connection], Connection]:
    """Routes each vendor's calls through its own proxy, although one sandbox serves both."""

    def adapt(connection: Connection) -> Connection:
        credentials = {}
        for system, given in connection.credentials.items():
            address, proxy = urlsplit(given["base_url"]), proxies.named(system)
            proxy.upstreams[:] = [("127.0.0.1", address.port or 80)]
            credentials[system] = {**given, "base_url": f"http://127.0.0.1:{proxy.port}"}
        return replace(connection, credentials=credentials)

    return adapt


def _balance_webhooks(running: Stack, proxy: Proxy) -> None:
    launches = [state.launch for name, state in running.supervisor.states.items() if name.startswith("ingress")]
    proxy.upstreams[:] = [("127.0.0.1", int(launch.environ["INGRESS_PORT"])) for launch in launches]
