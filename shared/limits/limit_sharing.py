"""Keeps the parts that this process takes of the vendors' rate limits in step with what all processes want.

While a budget is in use, its demand is told and the others' heard every second: two small statements for all budgets
together, none per call. One that is quiet keeps a small part, enough to begin with.
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
from shared.limits.demand import Shareable
from shared.limits.shares import Standing
from shared.runtime.clock import Clock
from shared.state.database import Database
from shared.state.limit_shares import BudgetShares, Limit

EVERY_SECONDS = 1.0


class Exchanges(Protocol):
    """What is used of BudgetShares."""

    async def exchange(self, demands: dict[Limit, Demand]) -> dict[Limit, dict[str, Demand]]: ...
    async def withdraw(self, limits: list[Limit]) -> None: ...


@dataclass(slots=True)
class _Member:
    budget: Shareable
    standing: Standing
    wants: bool = False
    told: bool = False


class Sharing:
    """All shared budgets of one process. `run` it; without a database everybody keeps what they have."""

    def __init__(self, shares: Exchanges, clock: Clock, every_seconds: float = EVERY_SECONDS) -> None:
        self._shares = shares
        self._clock = clock
        self._every = every_seconds
        self._members: dict[Limit, _Member] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def has_failed(self) -> bool:
        """Whether the exchange has ended, which only a bug does."""
        return self._task is not None and self._task.done()

    def start(self) -> None:
        self._task = asyncio.create_task(self.run(), name="budget shares")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def join(self, limit: Limit, budget: Shareable) -> None:
        """From now on the budget has but a part of its limit."""
        member = self._members[limit] = _Member(budget, Standing(self._every))
        budget.on_demand = self._wake.set
        budget.take_part(member.standing.part)

    async def run(self) -> None:
        """Exchange for ever; what is told is withdrawn at the end, if the database can be reached."""
        try:
            due = self._clock.monotonic()
            while True:
                await self._rest(due)
                if (now := self._clock.monotonic()) >= due:
                    due = now + self._every
                    await self.step(list(self._members))
                else:
                    await self.step([limit for limit, member in self._members.items() if not member.told])
        finally:
            with suppress(TargetDown):
                await self._withdraw([limit for limit, member in self._members.items() if member.told])

    async def _rest(self, due: float) -> None:
        """Until the next exchange is due, or something is wanted of a limit of which we wanted nothing."""
        # What is wanted and could not be told is told when the database is back: nobody asks a second time.
        used = any(member.told or member.wants for member in self._members.values())
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, due - self._clock.monotonic()) if used else None):
                await self._wake.wait()
        self._wake.clear()

    async def step(self, limits: Iterable[Limit]) -> None:
        """One exchange about these limits."""
        demands = {limit: self._members[limit].budget.demand() for limit in limits}
        wanted = {limit: demand for limit, demand in demands.items() if any(demand.values())}
        for limit in demands:
            self._members[limit].wants = limit in wanted
        quiet = [limit for limit in demands if limit not in wanted and self._members[limit].told]
        try:
            await self._withdraw(quiet)
            await self._exchange(wanted)
        except TargetDown:
            for limit in wanted:
                self._members[limit].standing.missed()

    async def _exchange(self, wanted: dict[Limit, Demand]) -> None:
        if not wanted:
            return
        others = await self._shares.exchange(wanted)
        now = self._clock.monotonic()
        for limit, demand in wanted.items():
            member = self._members[limit]
            member.told = True
            member.budget.take_part(member.standing.heard(demand, others[limit], now))

    async def _withdraw(self, limits: list[Limit]) -> None:
        if not limits:
            return
        for limit in limits:
            member = self._members[limit]
            member.told = False
            member.budget.take_part(member.standing.quiet())
        await self._shares.withdraw(limits)


@asynccontextmanager
async def open_sharing(database: Database, clock: Clock) -> AsyncIterator[Sharing]:
    """The sharing of this process, at work until the block is left."""
    sharing = Sharing(BudgetShares(database, uuid.uuid4().hex), clock)
    sharing.start()
    try:
        yield sharing
    finally:
        await sharing.stop()
