"""When what is compared: what changed lately every few minutes, open differences more often, everything once a day.

Each connection by itself and by one replica only; a connection that cannot be read holds up no other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from structlog.typing import FilteringBoundLogger

from services.reconciler.figures import SHOWN, Figures
from services.reconciler.passes import Outcome, Pass
from services.reconciler.position import Position
from services.reconciler.settings import Settings
from services.reconciler.table import entities
from shared.errors import IntegrationError
from shared.runtime.clock import Clock
from shared.state.cursors import Cursors
from shared.state.drift import DriftLedger
from shared.state.leases import Leases

FEED = "reconciler.orders"
# How often a replica that does not hold a connection asks for it: an owner that died is replaced within that.
_LEASE_SECONDS = 3.0
# How long a connection that could not be read is left alone, at most.
_RETRY_SECONDS = 30.0
# Orders of a full pass at a time: sweeps go on in between.
_SLICE = 100


class Watch:
    """Passes over one connection, as long as it is `present`."""

    def __init__(
        self,
        connection: str,
        passes: Callable[[], Pass],
        *,
        present: Callable[[], bool],
        leases: Leases,
        settings: Settings,
        cursors: Cursors,
        ledger: DriftLedger,
        clock: Clock,
        log: FilteringBoundLogger,
        figures: Figures,
    ) -> None:
        self._connection = connection
        self._name = f"reconciler:{connection}"
        self._passes = passes
        self._present = present
        self._leases = leases
        self._settings = settings
        self._cursors = cursors
        self._ledger = ledger
        self._clock = clock
        self._log = log
        self._figures = figures

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`, or until the connection is no more. What goes wrong for a reason is logged and tried again."""
        while self._present() and not stop.is_set():
            try:
                await self._in_turn(stop)
            except IntegrationError as error:
                await self._leases.release(self._name)
                if self._present():
                    self._log.warning("not compared", connection=self._connection, reason=error.reason)
                await _pause(stop, min(_RETRY_SECONDS, self._settings.reconcile_recheck_seconds))

    async def _in_turn(self, stop: asyncio.Event) -> None:
        next_sweep = next_look = 0.0
        while self._present() and not stop.is_set():
            now = self._clock.monotonic()
            more = False
            if await self._leases.holds(self._name):
                if now >= next_sweep:
                    await self.sweep()
                    next_sweep = now + self._settings.reconcile_seconds
                    next_look = now + self._settings.reconcile_recheck_seconds
                elif now >= next_look:
                    await self.look_again()
                    next_look = now + self._settings.reconcile_recheck_seconds
                # After each of them, so that sweeps that take long cannot starve it.
                more = await self.go_on()
            due = min(next_sweep, next_look) - self._clock.monotonic()
            await _pause(stop, 0.0 if more else min(_LEASE_SECONDS, max(0.05, due)))

    async def sweep(self) -> Outcome:
        """Compare what changed since the last sweep, and what was found different before."""
        began, position = self._clock.now(), await self._position()
        one = self._passes()
        keys = await one.changes.since(position.since(self._settings.overlap))
        outcome = await self._compare(one, [*keys, *await self._ledger.open_keys(self._connection)])
        await self._keep(position.swept(began))
        return outcome

    async def look_again(self) -> Outcome:
        """Only what was found different and no person has to decide: a second look says what becomes of it."""
        keys = await self._ledger.open_keys(self._connection, ("open", "repairing"))
        return await self._compare(self._passes(), keys) if keys else Outcome()

    async def go_on(self) -> bool:
        """The next slice of the full pass, if its day has come. True if there is more of it.

        It only notes what differs: the looks that follow see all of that at once, and so do their caps.
        """
        now, before = self._clock.now(), await self._position()
        position = before.full_pass(now, self._settings.full_every, self._settings.full_reach)
        if position.at is None or position.until is None:
            return False
        one = self._passes()
        part = await one.changes.slice(position.at, position.until, _SLICE)
        await self._compare(one, part.keys, act=False)
        await self._keep(position.sliced(part.go_on))
        return part.go_on is not None

    async def _compare(self, one: Pass, keys: list[str], *, act: bool = True) -> Outcome:
        began = self._clock.monotonic()
        outcome = await one.compare(keys, entities(), act=act)
        for row in outcome.repaired:
            self._log.info("repaired", connection=row.connection, entity=row.entity, key=row.key, kind=row.kind)
        self._figures.tell(outcome, await self._ledger.list(SHOWN, self._connection))
        self._figures.passed(self._clock.now().timestamp(), self._clock.monotonic() - began)
        return outcome

    async def _position(self) -> Position:
        stored = await self._cursors.get(self._connection, FEED)
        if stored:
            return Position.read(stored)
        # Kept at once: one that begins with an outage must not begin later because of it.
        position = Position.begin(self._clock.now())
        await self._keep(position)
        return position

    async def _keep(self, position: Position) -> None:
        await self._cursors.put(self._connection, FEED, position.stored())


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
