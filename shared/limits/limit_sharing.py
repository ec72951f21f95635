"""Limit sharing: adjusts this process's shares of the vendors' limits to the demand of all processes.

While a limit is in use, its demand is published and the others' is read every second: two small statements for all
limits together, none per request. An idle limit keeps a small share, enough to start with.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

from shared.canonical.priority import Demand
from shared.errors import TargetDown
from shared.limits.demand import SharedLimit
from shared.limits.share_allocation import ShareNegotiation
from shared.runtime.clock import Clock
from shared.state.database import Database
from shared.state.limit_demands import LimitDemands, LimitKey

EVERY_SECONDS = 1.0


class DemandExchange(Protocol):
    """The part of LimitDemands used here."""

    async def exchange(self, demands: dict[LimitKey, Demand]) -> dict[LimitKey, dict[str, Demand]]: ...
    async def withdraw(self, keys: list[LimitKey]) -> None: ...


@dataclass(slots=True)
class _Member:
    limit: SharedLimit
    negotiation: ShareNegotiation
    wants: bool = False
    published: bool = False


class LimitSharing:
    """All shared limits of one process. While the database is away, every process keeps its share."""

    def __init__(self, shares: DemandExchange, clock: Clock, every_seconds: float = EVERY_SECONDS) -> None:
        self._shares = shares
        self._clock = clock
        self._every = every_seconds
        self._members: dict[LimitKey, _Member] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def has_failed(self) -> bool:
        """Whether the exchange has ended, which only a bug does."""
        return self._task is not None and self._task.done()

    def start(self) -> None:
        self._task = asyncio.create_task(self.run(), name="limit sharing")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def join(self, key: LimitKey, limit: SharedLimit) -> None:
        """Share this limit from now on."""
        member = self._members[key] = _Member(limit, ShareNegotiation(self._every))
        limit.on_demand = self._wake.set
        limit.take_share(member.negotiation.share)

    async def run(self) -> None:
        """Exchange demands until cancelled; then withdraw ours, if the database is reachable."""
        try:
            due = self._clock.monotonic()
            while True:
                await self._wait(due)
                if (now := self._clock.monotonic()) >= due:
                    due = now + self._every
                    await self.step(list(self._members))
                else:
                    await self.step([key for key, member in self._members.items() if not member.published])
        finally:
            with suppress(TargetDown):
                await self._withdraw([key for key, member in self._members.items() if member.published])

    async def _wait(self, due: float) -> None:
        """Wait until the next exchange is due, or until demand for an idle limit begins."""
        # Demand that could not be published is published once the database is back: nothing else would trigger it.
        used = any(member.published or member.wants for member in self._members.values())
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, due - self._clock.monotonic()) if used else None):
                await self._wake.wait()
        self._wake.clear()

    async def step(self, keys: Iterable[LimitKey]) -> None:
        """Exchange demands for these limits once."""
        demands = {key: self._members[key].limit.demand() for key in keys}
        wanted = {key: demand for key, demand in demands.items() if any(demand.values())}
        for key in demands:
            self._members[key].wants = key in wanted
        quiet = [key for key in demands if key not in wanted and self._members[key].published]
        try:
            await self._withdraw(quiet)
            await self._exchange(wanted)
        except TargetDown:
            for key in wanted:
                self._members[key].negotiation.mark_missed()

    async def _exchange(self, wanted: dict[LimitKey, Demand]) -> None:
        if not wanted:
            return
        others = await self._shares.exchange(wanted)
        now = self._clock.monotonic()
        for key, demand in wanted.items():
            member = self._members[key]
            member.published = True
            member.limit.take_share(member.negotiation.update(demand, others[key], now))

    async def _withdraw(self, keys: list[LimitKey]) -> None:
        if not keys:
            return
        for key in keys:
            member = self._members[key]
            member.published = False
            member.limit.take_share(member.negotiation.reset())
        await self._shares.withdraw(keys)


@asynccontextmanager
async def open_sharing(database: Database, clock: Clock) -> AsyncIterator[LimitSharing]:
    """Limit sharing of this process, running until exit."""
    sharing = LimitSharing(LimitDemands(database, uuid.uuid4().hex), clock)
    sharing.start()
    try:
        yield sharing
    finally:
        await sharing.stop()
