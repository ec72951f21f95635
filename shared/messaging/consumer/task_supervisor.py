"""Supervises the tasks of one consumer: the first failure ends the service."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


class TaskSupervisor:
    """Starts tasks and remembers the first failure.

    Unlike in a TaskGroup, tasks may also be started from callbacks.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def start(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.fail(error)

    def fail(self, error: BaseException) -> None:
        """Record the first failure; later ones are consequences of it."""
        if not self._failure.done():
            self._failure.set_exception(error)

    @property
    def has_failed(self) -> bool:
        return self._failure.done()

    async def until(self, stop: asyncio.Event) -> None:
        """Return when `stop` is set. Raises the first failure."""
        stopped = asyncio.ensure_future(stop.wait())
        either: set[asyncio.Future[Any]] = {stopped, self._failure}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
        self.check()

    def check(self) -> None:
        """Raise the first failure, if there is one."""
        if self._failure.done():
            self._failure.result()

    async def dismiss(self) -> None:
        """Cancel all tasks and wait for them."""
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if self._failure.done():
            self._failure.exception()  # retrieved, so that asyncio does not log it as lost
