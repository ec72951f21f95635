"""The state that both simulated vendors share.

Clock, random numbers, journal, faults, background tasks.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import Any, Protocol, TypeVar

import aiohttp

from services.sandbox.faults import Faults
from services.sandbox.journal import Journal
from services.sandbox.settings import Settings

Part = TypeVar("Part")


class Clock(Protocol):
    """`now` is wall time (aware, UTC); `monotonic` and `sleep` are seconds."""

    def now(self) -> datetime: ...
    def monotonic(self) -> float: ...
    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class ItemSource(Protocol):
    """What the simulated Shopify needs from the simulated Heartland."""

    def ensure_item(self, sku: str, description: str, price: Decimal | str) -> int:
        """The id of the item with this SKU, which is created if missing."""
        ...


class World:
    """One simulated pair of accounts. Each vendor keeps its state as a `part`."""

    heartland: ItemSource

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self.settings = settings
        self.clock: Clock = clock or SystemClock()
        self.random = Random(settings.sandbox_random_seed)
        self.journal = Journal(self.clock.now, settings.sandbox_journal_path)
        self.faults = Faults(self.random)
        self.url = ""
        self._parts: dict[type, object] = {}
        self._session: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    def part(self, kind: type[Part], make: Callable[[World], Part]) -> Part:
        """The single instance of `kind`, created on the first call."""
        part = self._parts.get(kind)
        if not isinstance(part, kind):
            part = self._parts[kind] = make(self)
        return part

    @property
    def session(self) -> aiohttp.ClientSession:
        """The HTTP session for outgoing webhooks; opened on first use, closed with the app."""
        if self._session is None or self._session.closed:
            timeout = aiohttp.ClientTimeout(total=10)
            self._session = aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0))
        return self._session

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Runs `work` in a background task, which is cancelled when the app closes or is reset."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    @property
    def has_background_tasks(self) -> bool:
        """Whether a background task is still running."""
        return bool(self._tasks)

    async def stop_tasks(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task

    async def close(self) -> None:
        await self.stop_tasks()
        if self._session is not None:
            await self._session.close()
        self.journal.close()
