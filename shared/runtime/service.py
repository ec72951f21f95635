"""The service shell: settings from the environment, logs, signals, health, exit codes.

Exit codes: 0 stopped as asked, 1 crashed or told twice to stop, 78 misconfigured (with a last line that says what).
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import NoReturn, TypeVar

from prometheus_client import CollectorRegistry
from structlog.typing import FilteringBoundLogger

from shared.errors import Misconfigured
from shared.runtime.clock import Clock, SystemClock
from shared.runtime.health import BUILT, RUNNING, Health
from shared.runtime.logging import LEVELS, configure, get_logger
from shared.runtime.loop import watch_loop
from shared.runtime.metrics import ServiceMetrics
from shared.runtime.settings import Settings

S = TypeVar("S", bound=Settings)
Run = Callable[[S, asyncio.Event], Awaitable[None]]

EXIT_CRASHED = 1
EXIT_MISCONFIGURED = 78  # EX_CONFIG of sysexits.h: a supervisor need not restart it


@dataclass(frozen=True, slots=True)
class Shell:
    """The environment of a service. It works until `stop` is set."""

    name: str
    settings: Settings
    stop: asyncio.Event
    clock: Clock
    log: FilteringBoundLogger
    metrics: ServiceMetrics
    health: Health


@asynccontextmanager
async def open_shell(
    name: str, settings: Settings, stop: asyncio.Event, clock: Clock | None = None
) -> AsyncIterator[Shell]:
    """The shell of one service, with its health server listening. Not ready any more once `stop` is set.

    Raises Misconfigured if the health server's address cannot be taken.
    """
    registry = CollectorRegistry()
    metrics = ServiceMetrics(name, registry)
    health = Health(settings.health_host, settings.health_port, registry)
    health.ready_when(RUNNING, lambda: not stop.is_set())
    health.ready_when(BUILT, lambda: health.knows_its_service)
    watch = asyncio.create_task(watch_loop(metrics.loop_lag_seconds.set), name=f"{name}: loop lag")
    health.alive_when("loop", lambda: not watch.done())
    shell = Shell(name, settings, stop, clock or SystemClock(), get_logger(name), metrics, health)
    try:
        async with health:
            shell.log.info("started", health=health.url)
            yield shell
    finally:
        watch.cancel()
        shell.log.info("stopped")


def launch(name: str, settings_type: type[S], run: Run[S]) -> NoReturn:
    """Run a service as this process: the last line of its `__main__.py`. Exits with the codes above."""
    sys.exit(_serve(name, settings_type, run, os.environ))


def _serve(name: str, settings_type: type[S], run: Run[S], environ: Mapping[str, str]) -> int:
    try:
        settings = settings_type.from_env(environ)
        _check_level(settings.log_level)
    except Misconfigured as error:
        return _misconfigured(name, error)
    configure(settings.log_level)
    _collect_less()
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_until_stopped(name, settings, run))
    except Exception as error:
        return _crashed(name, error)
    except (asyncio.CancelledError, KeyboardInterrupt):
        get_logger(name).warning("stopped at once, as told twice")
        return EXIT_CRASHED
    return 0


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's loop: a tenth less CPU per event, measured.

    It has no build for Windows; there, the usual loop.
    """
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _collect_less() -> None:
    """Exclude loaded modules from garbage collection, which would cost a writer a tenth of its time.

    Everything else is freed by reference counting; cycles are rare.
    """
    gc.freeze()
    gc.set_threshold(20_000, 50, 50)


async def _until_stopped(name: str, settings: S, run: Run[S]) -> None:
    stop = asyncio.Event()
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 -- asyncio.run made it

    def on_signal(number: signal.Signals) -> None:
        if stop.is_set():
            task.cancel()
        else:
            get_logger(name).info("stopping", signal=number.name)
            stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        # Windows' loop has no signal handlers: there Ctrl-C ends the process at once.
        with contextlib.suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(number, on_signal, number)
    await run(settings, stop)


def _check_level(level: str) -> None:
    if level.lower() not in LEVELS:
        raise Misconfigured(f"LOG_LEVEL: {level!r} is none of {', '.join(LEVELS)}")


def _crashed(name: str, error: Exception) -> int:
    if (wrong := _find_misconfigured(error)) is not None:
        return _misconfigured(name, wrong)
    get_logger(name).error("crashed", error=_cause(error), exc_info=error)
    return EXIT_CRASHED


def _cause(error: BaseException) -> str:
    """The first error, without the exception groups around it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"


def _find_misconfigured(error: BaseException) -> Misconfigured | None:
    """The Misconfigured in `error`, also within the groups that task groups raise."""
    if isinstance(error, Misconfigured):
        return error
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    return next((found for part in inner if (found := _find_misconfigured(part)) is not None), None)


def _misconfigured(name: str, error: Misconfigured) -> int:
    print(f"{name}: {error.reason}", file=sys.stderr, flush=True)  # noqa: T201 -- for a person, whatever the log's form
    return EXIT_MISCONFIGURED
