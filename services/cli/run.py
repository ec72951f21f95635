"""`tillbridge run`: starts the whole system locally and shows demo orders live until Ctrl-C."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import aiohttp
import typer
from rich.console import Console

from deploy.local.account import wants_sandbox
from deploy.local.stack import Stack, open_stack
from services.cli.demo_day import DemoDay
from services.cli.options import run_operation
from services.cli.run_view import RunView, hints, open_screen
from services.cli.running_system import RUN_JSON, environment
from shared.errors import TargetDown
from shared.operations.service_health import ServiceView, read_health
from shared.operations.trace import recent_orders
from shared.runtime.output import console
from shared.state.database import Database
from shared.state.journal import RecentOrder

DATA = Path("build") / "data"
_REFRESH_SECONDS = 0.5
_ORDERS_SHOWN = 15
# With `once`, the run fails if the demo orders have not arrived by then.
_DAY_SECONDS = 120.0
_FAST = {"HEARTLAND_REQUESTS_PER_SECOND": "0", "HEARTLAND_MAX_IN_FLIGHT": "16", "POLL_SECONDS": "1"}


@dataclass(frozen=True, slots=True)
class RunOptions:
    """`orders`: how many demo orders, with the sandbox only; `once`: exit when they have arrived."""

    orders: int = 12
    once: bool = False
    folder: Path = DATA
    fresh: bool = False


@dataclass
class Interrupt:
    """Ctrl-C: ends the view; before there is one, the start; and the second time, whatever still runs."""

    stop: asyncio.Event = field(default_factory=asyncio.Event)
    watching: bool = False

    def listen(self) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - asyncio.run made it
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self._on_signal, task)

    def _on_signal(self, task: asyncio.Task[Any]) -> None:
        if self.stop.is_set() or not self.watching:
            task.cancel()
        self.stop.set()


async def run(environ: Mapping[str, str], options: RunOptions, console: Console) -> bool:
    """True on success; with `once`, only if every order arrived. Raises Misconfigured if it cannot start."""
    interrupt = Interrupt()
    interrupt.listen()
    try:
        async with open_stack(
            environ,
            folder=options.folder,
            fresh=options.fresh,
            settings_overrides=fast_settings(environ),
            build=RUN_JSON.parent,
            subscribes=True,
            tell=lambda what: console.print(f"{what} ...", markup=False),
        ) as stack:
            interrupt.watching = True
            well = await _watch(stack, options, console, interrupt.stop)
            console.print("stopping ...")
    except asyncio.CancelledError:
        return False
    console.print("stopped")
    return well


def fast_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """Faster settings for the sandbox, which has no rate limit; those in the environment stay."""
    if not wants_sandbox(environ):
        return {}
    return {name: value for name, value in _FAST.items() if not environ.get(name)}


async def _watch(stack: Stack, options: RunOptions, console: Console, stop: asyncio.Event) -> bool:
    day = DemoDay(stack.sandbox_url, options.orders) if stack.sandbox_url else None
    addresses = hints(stack.ingress_url, stack.sandbox_url, stack.webhook_url, _files(stack))
    for line in addresses:
        console.print(line, markup=False, soft_wrap=True)
    async with (
        Database.open(stack.environ["DATABASE_URL"], 2) as database,
        aiohttp.ClientSession() as session,
        asyncio.TaskGroup() as tasks,
    ):
        passing = tasks.create_task(day.follow(session)) if day and not day.progress.over else None
        screen = open_screen(console)
        observer = _Observer(stack, database, session, day, addresses)
        try:
            async with asyncio.timeout(_DAY_SECONDS if options.once else None):
                while not stop.is_set() and not (options.once and (day is None or day.progress.over)):
                    screen.show(await observer.observe())
                    await _pause(stop)
                screen.show(await observer.observe())
        except TimeoutError:
            console.print(f"not all orders arrived within {_DAY_SECONDS:.0f} s", markup=False)
        finally:
            screen.close()
            if passing:
                passing.cancel()
    return not options.once or day is None or (day.progress.over and not day.progress.problem)


@dataclass
class _Observer:
    """Observes the run: services over HTTP, orders in the journal."""

    stack: Stack
    database: Database
    session: aiohttp.ClientSession
    day: DemoDay | None
    addresses: Sequence[str]
    orders: Sequence[RecentOrder] = ()

    async def observe(self) -> RunView:
        run = json.loads(self.stack.run_json.read_text(encoding="utf-8"))
        views = await read_health(self.session, run["services"])
        try:
            self.orders = await recent_orders(self.database, _ORDERS_SHOWN)
        except TargetDown:
            return RunView(
                self.orders,
                self._supervised(views),
                "the database does not answer: orders are shown as last read",
                self.addresses,
            )
        return RunView(self.orders, self._supervised(views), headline(self.day), self.addresses)

    def _supervised(self, views: Sequence[ServiceView]) -> list[ServiceView]:
        """Use the supervisor's state for a service that does not answer: it may be starting."""
        states = self.stack.supervisor.states
        return [
            replace(view, state=states[view.name].state) if view.state == "down" and view.name in states else view
            for view in views
        ]


def headline(day: DemoDay | None) -> str:
    """How the demo day goes, in one sentence."""
    return day.progress.headline() if day else ""


def _files(stack: Stack) -> dict[str, str]:
    return {"health": f"{stack.run_json} has the address of each service", "logs": str(stack.run_json.parent / "logs")}


async def _pause(stop: asyncio.Event) -> None:
    try:
        await asyncio.wait_for(stop.wait(), _REFRESH_SECONDS)
    except TimeoutError:
        return


app = typer.Typer(add_completion=False)


@app.command(name="run")
def start(
    orders: Annotated[
        int, typer.Option(min=0, max=1000, help="How many demo orders to send (with the sandbox only).")
    ] = 12,
    once: Annotated[
        bool, typer.Option("--once", help="Exit when all demo orders have arrived; exit code 1 if they do not.")
    ] = False,
    folder: Annotated[Path, typer.Option(help="Folder for the data of Kafka and PostgreSQL.")] = DATA,
    fresh: Annotated[bool, typer.Option("--fresh", help="Delete the data of earlier runs first.")] = False,
) -> None:
    """Start the whole system on this computer, send demo orders through it, and show them live."""
    if not run_operation(run(environment(), RunOptions(orders, once, folder, fresh), console())):
        raise SystemExit(1)
