"""`tillbridge run`: everything on this machine, a first day of orders through it, and a view of it until Ctrl-C."""

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
from services.cli.place import RUN_JSON, environment
from services.cli.run_view import Picture, hints, open_screen
from shared.errors import TargetDown
from shared.operations.service_health import ServiceView, look_at
from shared.runtime.output import console
from shared.state.database import Database
from shared.state.journal import Journal, RecentOrder

DATA = Path("build") / "data"
_LOOK_SECONDS = 0.5
_ORDERS_SHOWN = 15
# With `once`, a day that gets stuck is given up after this.
_DAY_SECONDS = 120.0
_BRISK = {"HEARTLAND_REQUESTS_PER_SECOND": "0", "HEARTLAND_MAX_IN_FLIGHT": "16", "POLL_SECONDS": "1"}


@dataclass(frozen=True, slots=True)
class Wishes:
    """`orders` of the first day, with the sandbox only; `once`: leave when they have arrived."""

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


async def run(environ: Mapping[str, str], wishes: Wishes, console: Console) -> bool:
    """Whether all went well; with `once`, whether every order arrived. Raises Misconfigured if it cannot start."""
    interrupt = Interrupt()
    interrupt.listen()
    try:
        async with open_stack(
            environ,
            folder=wishes.folder,
            fresh=wishes.fresh,
            settings_overrides=brisk(environ),
            build=RUN_JSON.parent,
            subscribes=True,
            tell=lambda what: console.print(f"{what} ...", markup=False),
        ) as stack:
            interrupt.watching = True
            well = await _watch(stack, wishes, console, interrupt.stop)
            console.print("stopping ...")
    except asyncio.CancelledError:
        return False
    console.print("stopped")
    return well


def brisk(environ: Mapping[str, str]) -> dict[str, str]:
    """Settings for the sandbox, which has no rate limit to be careful about; what the environment says stays."""
    if not wants_sandbox(environ):
        return {}
    return {name: value for name, value in _BRISK.items() if not environ.get(name)}


async def _watch(stack: Stack, wishes: Wishes, console: Console, stop: asyncio.Event) -> bool:
    day = DemoDay(stack.sandbox_url, wishes.orders) if stack.sandbox_url else None
    where = hints(stack.ingress_url, stack.sandbox_url, stack.webhook_url, _files(stack))
    for line in where:
        console.print(line, markup=False, soft_wrap=True)
    async with (
        Database.open(stack.environ["DATABASE_URL"], 2) as database,
        aiohttp.ClientSession() as session,
        asyncio.TaskGroup() as tasks,
    ):
        passing = tasks.create_task(day.follow(session)) if day and not day.progress.over else None
        screen = open_screen(console)
        eyes = _Eyes(stack, Journal(database), session, day, where)
        try:
            async with asyncio.timeout(_DAY_SECONDS if wishes.once else None):
                while not stop.is_set() and not (wishes.once and (day is None or day.progress.over)):
                    screen.show(await eyes.look())
                    await _pause(stop)
                screen.show(await eyes.look())
        except TimeoutError:
            console.print(f"not all orders arrived within {_DAY_SECONDS:.0f} s", markup=False)
        finally:
            screen.close()
            if passing:
                passing.cancel()
    return not wishes.once or day is None or (day.progress.over and not day.progress.problem)


@dataclass
class _Eyes:
    """Looks at the run: services over HTTP, orders in the journal."""

    stack: Stack
    journal: Journal
    session: aiohttp.ClientSession
    day: DemoDay | None
    where: Sequence[str]
    orders: Sequence[RecentOrder] = ()

    async def look(self) -> Picture:
        run = json.loads(self.stack.run_json.read_text(encoding="utf-8"))
        views = await look_at(self.session, run["services"])
        try:
            self.orders = await self.journal.recent_orders(_ORDERS_SHOWN)
        except TargetDown:
            return Picture(self.orders, self._supervised(views), "the database is away", self.where)
        return Picture(self.orders, self._supervised(views), headline(self.day), self.where)

    def _supervised(self, views: Sequence[ServiceView]) -> list[ServiceView]:
        """What the supervisor knows better: whether a service that does not answer is only starting."""
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
        await asyncio.wait_for(stop.wait(), _LOOK_SECONDS)
    except TimeoutError:
        return


app = typer.Typer()


@app.command(name="run")
def start(
    orders: Annotated[int, typer.Option(min=0, max=1000, help="Orders of the first day (with the sandbox).")] = 12,
    once: Annotated[bool, typer.Option("--once", help="Leave when the first day has arrived; fail if not.")] = False,
    folder: Annotated[Path, typer.Option(help="Where broker and database keep their data.")] = DATA,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget earlier runs.")] = False,
) -> None:
    """Start everything on this machine, send a first day of orders through, and show it live."""
    if not run_operation(run(environment(), Wishes(orders, once, folder, fresh), console())):
        raise SystemExit(1)
