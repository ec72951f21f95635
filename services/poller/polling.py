"""Polls a feed on a schedule, each connection in its own task, so that a slow one delays no other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from structlog.typing import FilteringBoundLogger

from shared.errors import IntegrationError, TargetDown
from shared.runtime.metrics import ServiceMetrics


class Polling:
    """Polls each named connection every `seconds`, one poll of a connection at a time."""

    def __init__(
        self,
        names: Callable[[], Iterable[str]],
        poll: Callable[[str], Awaitable[None]],
        *,
        entity: str,
        seconds: float,
        metrics: ServiceMetrics,
        log: FilteringBoundLogger,
    ) -> None:
        self._names = names
        self._poll = poll
        self._entity = entity
        self._seconds = seconds
        self._metrics = metrics
        self._log = log
        self._running: dict[str, asyncio.Task[None]] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Poll until `stop`. Raises any unexpected error of a poll.

        A poll that `stop` interrupts continues from its cursor at the next start.
        """
        try:
            while not stop.is_set():
                self._start()
                await _pause(stop, self._seconds)
                self._collect()
        finally:
            for task in self._running.values():
                task.cancel()
            await asyncio.gather(*self._running.values(), return_exceptions=True)

    def _start(self) -> None:
        for name in self._names():
            if name not in self._running:
                self._running[name] = asyncio.create_task(self._guarded(name))

    def _collect(self) -> None:
        for name, task in list(self._running.items()):
            if task.done():
                del self._running[name]
                task.result()

    async def _guarded(self, name: str) -> None:
        try:
            await self._poll(name)
        except IntegrationError as error:
            # The cursor has not moved, so the next poll reads the same changes.
            reason = "target_down" if isinstance(error, TargetDown) else "retry"
            self._metrics.events_failed.labels(self._entity, reason).inc()
            self._log.warning(
                "feed not polled, trying again", connection=name, entity=self._entity, reason=error.reason
            )


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
