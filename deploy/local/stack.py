"""Everything on this machine: engine, schema, topics, connection, sandbox, services."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from deploy.local.account import ConnectionInput, connection_from, read_files, secret_key, wants_sandbox
from deploy.local.connect import connect
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
from shared.runtime.settings import Settings
from shared.state.connections import Connection
from shared.state.database import Database, migrate

READY_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class Stack:
    """A running system. `environ` is what every service gets: `Settings.from_env(stack.environ)` reaches the same."""

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
    """Yields once every service is ready; stops everything on leaving, whatever happened.

    `folder` keeps the data between runs with real accounts; `fresh` clears it first. Runs with the sandbox have a
    folder of their own in it, and begin anew each time.
    `build` gets logs/<service>.log and run.json. Of each service but the sandbox there are `replicas` processes.
    `subscribes`: the sandbox's shop sends webhooks to those who subscribe, as we do then, and to nobody else.
    `adapt` has the last word on the connection, so that a test can put itself between us and the vendors.
    `tell` hears what is being done, for whoever waits. Raises Misconfigured, in one line that says what to do.
    """
    given = _with_ports(read_files({**environ, **(settings_overrides or {})}))
    # What is known of real accounts must not end because somebody tries the sandbox.
    folder = made(folder / ("sandbox" if wants_sandbox(given) else "accounts"))
    async with AsyncExitStack() as stack:
        # The sandbox begins empty at every start: what we remember of its records would be of others by then.
        await _claim(stack, folder, clear=fresh or wants_sandbox(given))
        watchdog, ports = stack.enter_context(Watchdog()), stack.enter_context(Ports())
        supervisor = await stack.enter_async_context(open_supervisor(watchdog, made(build / "logs")))
        ingress = plan(named("ingress"), given, ports.reserve)
        ingress_url = ingress.address("INGRESS_PORT")
        if subscribes and wants_sandbox(given):
            given = {**given, "INGRESS_PUBLIC_URL": ingress_url}
        told = "" if subscribes else ingress_url
        sandbox_url = _start_sandbox(supervisor, given, ports, told) if wants_sandbox(given) else None
        described = connection_from(given, sandbox_url or "")
        described = replace(described, connection=adapt(described.connection))

        tell("starting broker and database")
        engine = await stack.enter_async_context(open_engine(given, folder, high_throughput=high_throughput))
        # Services leave before broker and database do.
        stack.push_async_callback(supervisor.stop)
        common = _common(given, engine, secret_key(given, folder))
        tell("preparing schema and topics")
        await _prepare(common, described, anew=sandbox_url is not None)
        tell("starting services")
        await _start_services(supervisor, common, ports, ingress, replicas)
        running = Stack(
            engine, supervisor, described.connection.name, ingress_url, sandbox_url, common, folder, build / "run.json"
        )
        await stack.enter_async_context(_reported(running))
        yield running


async def _claim(stack: AsyncExitStack, folder: Path, *, clear: bool) -> None:
    """One run per folder; the lock ends with us, however we end."""
    lock = try_lock(folder / "run.lock")
    if lock is None:
        raise Misconfigured(f"another run works in {folder}: stop it first, or choose another folder")
    stack.callback(lock.close)
    for name in ("kafka", "postgres"):
        if clear:
            await asyncio.to_thread(shutil.rmtree, folder / name, ignore_errors=True)


def _with_ports(given: dict[str, str]) -> dict[str, str]:
    """A real shop's webhooks point at one address, so the port must be the same at every start."""
    return given if wants_sandbox(given) else {"INGRESS_PORT": "8080", **given}


def _start_sandbox(supervisor: Supervisor, given: Mapping[str, str], ports: Ports, ingress_url: str) -> str:
    """First and by itself: it needs neither broker nor database, and is up before they are."""
    told = {
        **given,
        "SANDBOX_WEBHOOK_URL": given.get("SANDBOX_WEBHOOK_URL") or ingress_url,
        "SANDBOX_CONNECTION": given.get("CONNECTION_NAME") or "main",
    }
    launch = plan(named("sandbox"), told, ports.reserve)
    supervisor.start(launch)
    return launch.url


def _common(given: Mapping[str, str], engine: Engine, key: str) -> dict[str, str]:
    return {
        **{name: value for name, value in given.items() if name != "SECRET_KEY_FILE"},
        "KAFKA_BOOTSTRAP_SERVERS": engine.bootstrap_servers,
        "DATABASE_URL": engine.database_url,
        "TOPIC_PREFIX": engine.topic_prefix,
        "SECRET_KEY": key,
    }


async def _prepare(common: Mapping[str, str], described: ConnectionInput, *, anew: bool) -> None:
    settings = Settings.from_env(common)
    try:
        await asyncio.gather(migrate(settings.database_url), create_topics(settings, topics()))
        async with Database.open(settings.database_url, 1) as database:
            await connect(database, settings, described, anew=anew)
    except TargetDown as error:
        raise Misconfigured(error.reason) from error


async def _start_services(
    supervisor: Supervisor, common: Mapping[str, str], ports: Ports, ingress: Launch, replicas: int
) -> None:
    """Returns once all are ready, the sandbox among them: whoever starts before it would count it as down."""
    await supervisor.wait_ready(READY_SECONDS)
    for service in SERVICES:
        if service.name == "sandbox":
            continue
        given = dict(common)
        if service.name == "ingress":  # its address is with the sandbox already
            given["INGRESS_PORT"] = ingress.environ["INGRESS_PORT"]
        for replica in range(1, replicas + 1):
            supervisor.start(plan(service, given, ports.reserve, replica))
    await supervisor.wait_ready(READY_SECONDS)


@asynccontextmanager
async def _reported(running: Stack) -> AsyncIterator[None]:
    """build/run.json, kept true as services are started again; gone with the run."""
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
