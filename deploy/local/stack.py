"""Starts the whole system on this machine: engine, schema, topics, connection, sandbox, services."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from deploy.local.account import ConnectionInput, connection_from, read_files, secret_key, wants_sandbox
from deploy.local.connect import connect, published_line
from deploy.local.engine import Engine, open_engine
from deploy.local.locks import try_lock
from deploy.local.ports import Ports
from deploy.local.processes import Watchdog, made
from deploy.local.report import run_report, write_run_json
from deploy.local.services import SERVICES, Launch, named, plan
from deploy.local.supervisor import Supervisor, open_supervisor
from shared.entities.table import topics
from shared.errors import Misconfigured, TargetDown
from shared.messaging.kafka.admin import create_topics
from shared.operations.definitions import Published
from shared.runtime.settings import Settings
from shared.state.connections import Connection
from shared.state.database import Database, migrate

READY_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class Stack:
    """A running system. `environ` is every service's environment: use `Settings.from_env(stack.environ)`."""

    engine: Engine
    supervisor: Supervisor
    connection: str
    ingress_url: str
    sandbox_url: str | None
    environ: Mapping[str, str]
    folder: Path
    run_json: Path

    @property
    def webhook_url(self) -> str:
        return f"{self.ingress_url}/webhooks/shopify/{self.connection}"


@asynccontextmanager
async def open_stack(
    environ: Mapping[str, str],
    *,
    folder: Path,
    fresh: bool = False,
    settings_overrides: Mapping[str, str] | None = None,
    build: Path = Path("build"),
    high_throughput: bool = False,
    replicas: int = 1,
    subscribes: bool = False,
    adapt: Callable[[Connection], Connection] = lambda connection: connection,
    tell: Callable[[str], None] = lambda _: None,
) -> AsyncIterator[Stack]:
    """Yields once every service is ready; stops everything on exit.

    - `folder` keeps the data between runs with real accounts; `fresh` clears it first. Runs with the sandbox have a
      folder of their own in it, which is cleared each time.
    - `build` gets logs/<service>.log and run.json.
    - `replicas`: processes of each service, except the sandbox.
    - `subscribes`: webhook subscriptions are created, and the sandbox sends webhooks to subscribers only.
    - `adapt` may change the connection, e.g. to insert a proxy before the vendors.
    - `tell` is called with a line of text at each step.

    Raises Misconfigured with one line that says what to do.
    """
    given = _with_ports(read_files({**environ, **(settings_overrides or {})}))
    # A separate folder, so that trying the sandbox never deletes data of real accounts.
    folder = made(folder / ("sandbox" if wants_sandbox(given) else "accounts"))
    async with AsyncExitStack() as stack:
        # The sandbox starts empty each time, so stored data of its earlier records would be wrong.
        await _claim(stack, folder, clear=fresh or wants_sandbox(given))
        watchdog, ports = stack.enter_context(Watchdog()), stack.enter_context(Ports())
        supervisor = await stack.enter_async_context(open_supervisor(watchdog, made(build / "logs")))
        ingress = plan(named("ingress"), given, ports.reserve)
        sandbox_url, given = _open_sandbox(supervisor, given, ports, ingress, subscribes=subscribes)
        described = connection_from(given, sandbox_url or "")
        described = replace(described, connection=adapt(described.connection))
        tell("starting broker and database")
        engine = await stack.enter_async_context(open_engine(given, folder, high_throughput=high_throughput))
        # Services stop before broker and database.
        stack.push_async_callback(supervisor.stop)
        common = _common(given, engine, secret_key(given, folder))
        tell("preparing schema and topics")
        published = await _prepare(common, described, forget_first=sandbox_url is not None)
        if published:
            tell(published_line(described.connection.name, published))
        tell("starting services")
        await _start_services(supervisor, common, ports, ingress, replicas)
        url, run_json, name = ingress.address("INGRESS_PORT"), build / "run.json", described.connection.name
        running = Stack(engine, supervisor, name, url, sandbox_url, common, folder, run_json)
        await stack.enter_async_context(_reported(running))
        yield running


async def _claim(stack: AsyncExitStack, folder: Path, *, clear: bool) -> None:
    """Locks the folder for this run; the system releases the lock when this process ends."""
    lock = try_lock(folder / "run.lock")
    if lock is None:
        raise Misconfigured(f"another run uses {folder}: stop it first, or choose another folder")
    stack.callback(lock.close)
    for name in ("kafka", "postgres"):
        if clear:
            await asyncio.to_thread(shutil.rmtree, folder / name, ignore_errors=True)


def _with_ports(given: dict[str, str]) -> dict[str, str]:
    """A fixed ingress port for real accounts, since their webhooks are sent to a fixed address."""
    return given if wants_sandbox(given) else {"INGRESS_PORT": "8080", **given}


def _open_sandbox(
    supervisor: Supervisor, given: dict[str, str], ports: Ports, ingress: Launch, *, subscribes: bool
) -> tuple[str | None, dict[str, str]]:
    """Starts the sandbox, if the run uses it, before broker and database, neither of which it needs.

    Returns its URL, and the environment of the services.
    """
    if not wants_sandbox(given):
        return None, given
    ingress_url = ingress.address("INGRESS_PORT")
    own_webhooks = "" if subscribes else ingress_url
    sandbox_environ = {
        **given,
        "SANDBOX_WEBHOOK_URL": given.get("SANDBOX_WEBHOOK_URL") or own_webhooks,
        "SANDBOX_CONNECTION": given.get("CONNECTION_NAME") or "main",
    }
    launch = plan(named("sandbox"), sandbox_environ, ports.reserve)
    supervisor.start(launch)
    return launch.url, {**given, "INGRESS_PUBLIC_URL": ingress_url} if subscribes else given


def _common(given: Mapping[str, str], engine: Engine, key: str) -> dict[str, str]:
    return {
        **{name: value for name, value in given.items() if name != "SECRET_KEY_FILE"},
        "KAFKA_BOOTSTRAP_SERVERS": engine.bootstrap_servers,
        "DATABASE_URL": engine.database_url,
        "TOPIC_PREFIX": engine.topic_prefix,
        "SECRET_KEY": key,
    }


async def _prepare(common: Mapping[str, str], described: ConnectionInput, *, forget_first: bool) -> Published | None:
    settings = Settings.from_env(common)
    try:
        await asyncio.gather(migrate(settings.database_url), create_topics(settings, topics()))
        async with Database.open(settings.database_url, 1) as database:
            return await connect(database, settings, described, forget_first=forget_first)
    except TargetDown as error:
        raise Misconfigured(error.reason) from error


async def _start_services(
    supervisor: Supervisor, common: Mapping[str, str], ports: Ports, ingress: Launch, replicas: int
) -> None:
    """Waits for the sandbox, then starts the services and waits until all are ready."""
    await supervisor.wait_ready(READY_SECONDS)
    for service in SERVICES:
        if service.name == "sandbox":
            continue
        given = dict(common)
        if service.name == "ingress":  # its address is already in the sandbox's settings
            given["INGRESS_PORT"] = ingress.environ["INGRESS_PORT"]
        for replica in range(1, replicas + 1):
            supervisor.start(plan(service, given, ports.reserve, replica))
    await supervisor.wait_ready(READY_SECONDS)


@asynccontextmanager
async def _reported(running: Stack) -> AsyncIterator[None]:
    """Writes build/run.json, updates it when services restart, and deletes it at the end."""
    started = datetime.now(UTC)

    def write() -> None:
        report = run_report(
            engine=running.engine,
            states=running.supervisor.states.values(),
            connection=running.connection,
            ingress=running.ingress_url,
            sandbox=running.sandbox_url,
            folder=running.folder,
            at=started,
        )
        write_run_json(running.run_json, report)

    async def follow() -> None:
        while True:
            await running.supervisor.changed()
            write()

    write()
    task = asyncio.create_task(follow())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        running.run_json.unlink(missing_ok=True)
