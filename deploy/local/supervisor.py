"""Supervises the services: one process and log each, restarts them when they end, stops all together."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import aiohttp

from deploy.local.processes import Process, Watchdog, start_process, tail
from deploy.local.services import Launch
from shared.errors import Misconfigured

State = Literal["starting", "ready", "unready", "down", "stopped"]

STOP_SECONDS = 10.0
MISCONFIGURED = 78  # the exit code of a service with invalid settings
_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.5, 10.0
_CRASHES_AT_START = 3
_POLL_STARTING_SECONDS, _POLL_READY_SECONDS = 0.2, 1.0
_ROOT = Path(__file__).resolve().parents[2]


def wait_before_restart(crashes: int) -> float:
    """The delay in seconds after the n-th consecutive crash without becoming ready."""
    longest: float = min(_FIRST_WAIT_SECONDS * 2.0 ** min(crashes - 1, 10), _LONGEST_WAIT_SECONDS)
    return longest


@dataclass(slots=True)
class ServiceState:
    """A service's state. `unready`: was ready, still runs.

    `crashes`: consecutive ones without becoming ready.
    """

    launch: Launch
    log: Path
    state: State = "starting"
    pid: int = 0
    restarts: int = 0
    crashes: int = 0
    exit_code: int | None = None

    @property
    def name(self) -> str:
        return self.launch.name


class Supervisor:
    """`states` are by service name; `changed` returns at the next change of any."""

    def __init__(
        self, session: aiohttp.ClientSession, watchdog: Watchdog, logs: Path, stop_seconds: float = STOP_SECONDS
    ) -> None:
        self._session = session
        self._watchdog = watchdog
        self._logs = logs
        self._stop_seconds = stop_seconds
        self._processes: dict[str, Process] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._change = asyncio.Event()
        self._stopping = asyncio.Event()
        self.states: dict[str, ServiceState] = {}

    def start(self, launch: Launch) -> None:
        """Starts the service and keeps it running; its old log is deleted."""
        log = self._logs / f"{launch.name}.log"
        log.unlink(missing_ok=True)
        self.states[launch.name] = ServiceState(launch, log)
        self._tasks[launch.name] = asyncio.create_task(self._supervise(self.states[launch.name]))

    async def changed(self) -> None:
        await self._change.wait()

    async def wait_ready(self, timeout_seconds: float) -> None:
        """Waits until every service is ready.

        Raises Misconfigured, which names the others and their last log lines.
        """
        try:
            async with asyncio.timeout(timeout_seconds):
                while waiting := [state for state in self.states.values() if state.state != "ready"]:
                    self._raise_if_failed(waiting)
                    await self.changed()
        except TimeoutError:
            raise Misconfigured(
                "; ".join(f"{_description(state)} after {timeout_seconds:.0f} s" for state in waiting)
            ) from None

    async def kill(self, name: str) -> None:
        """Sends SIGKILL; the service is restarted as after a crash."""
        await self._processes[name].kill()

    async def restart(self, name: str) -> None:
        """Stops the service gracefully; it is started again."""
        await self._processes[name].stop(self._stop_seconds)

    async def stop(self) -> None:
        """Stops all services concurrently; idempotent."""
        self._stopping.set()
        self._notify()
        await asyncio.gather(*(process.stop(self._stop_seconds) for process in self._processes.values()))
        await asyncio.gather(*self._tasks.values())

    async def _supervise(self, service: ServiceState) -> None:
        while not self._stopping.is_set():
            self._set_state(service, "starting")
            process = await self._launch(service)
            await self._watch(service, process)
            service.exit_code = await process.wait()
            if self._stopping.is_set():
                break
            service.restarts += 1
            service.crashes += 1
            self._set_state(service, "down")
            await self._pause(wait_before_restart(service.crashes))
        self._set_state(service, "stopped")

    async def _launch(self, service: ServiceState) -> Process:
        launch = service.launch
        process = await start_process(
            launch.argv,
            watchdog=self._watchdog,
            log=service.log,
            environ=with_checkout(launch.environ),
            folder=Path.cwd(),
        )
        self._processes[launch.name] = process
        service.pid = process.pid
        if self._stopping.is_set():
            await process.stop(self._stop_seconds)
        return process

    async def _watch(self, service: ServiceState, process: Process) -> None:
        ended = asyncio.ensure_future(process.wait())
        while process.running and not self._stopping.is_set():
            if await self._is_ready(service.launch):
                service.crashes = 0
                self._set_state(service, "ready")
            elif service.state == "ready":
                self._set_state(service, "unready")
            pause = _POLL_READY_SECONDS if service.state == "ready" else _POLL_STARTING_SECONDS
            await asyncio.wait([ended], timeout=pause)
        await ended

    async def _is_ready(self, launch: Launch) -> bool:
        try:
            async with self._session.get(launch.ready_url) as response:
                return response.status == 200
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return

    def _set_state(self, service: ServiceState, state: State) -> None:
        if service.state != state or state == "starting":
            service.state = state
            self._notify()

    def _notify(self) -> None:
        """Wakes all waiters of `changed`; later callers wait for the next change."""
        self._change.set()
        self._change = asyncio.Event()

    def _raise_if_failed(self, waiting: list[ServiceState]) -> None:
        if self._stopping.is_set():
            raise Misconfigured("stopped before every service was ready")
        for service in waiting:
            if service.state == "down" and (service.exit_code == MISCONFIGURED or service.crashes >= _CRASHES_AT_START):
                raise Misconfigured(_description(service))


def with_checkout(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment with the checkout in PYTHONPATH, for `python -m services.x` in any folder."""
    path = os.pathsep.join(part for part in (str(_ROOT), environ.get("PYTHONPATH", "")) if part)
    return {**environ, "PYTHONPATH": path}


def _description(service: ServiceState) -> str:
    last = tail(service.log, 1).strip() or "empty"
    ended = f" (exit {service.exit_code})" if service.state == "down" else ""
    return f"{service.name} is {service.state}{ended}; last line of {service.log}: {last}"


@asynccontextmanager
async def open_supervisor(
    watchdog: Watchdog, logs: Path, stop_seconds: float = STOP_SECONDS
) -> AsyncIterator[Supervisor]:
    """Yields a supervisor; stops all its services on exit."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session:
        supervisor = Supervisor(session, watchdog, logs, stop_seconds)
        try:
            yield supervisor
        finally:
            await supervisor.stop()
