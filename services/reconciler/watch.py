"""When what is compared: what changed lately every few minutes, open differences more often, everything once a day.

Each connection by itself and by one replica only; a connection that cannot be read holds up no other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from structlog.typing import FilteringBoundLogger

from services.reconciler.passes import Outcome, Pass
from services.reconciler.settings import Settings
from services.reconciler.table import entities
from shared.errors import IntegrationError
from shared.runtime.clock import Clock
from shared.state.cursors import Cursors
from shared.state.drift import DriftLedger
from shared.state.lease import Lease, open_lease

FEED = "reconciler.orders"
# How often a replica that does not hold a connection asks for it: an owner that died is replaced within that.
_LEASE_SECONDS = 3.0
_START = timedelta(hours=24)


class Watch:
    """Passes over one connection, for ever."""

    def __init__(
        self,
        connection: str,
        passes: Callable[[], Pass],
        *,
        settings: Settings,
        cursors: Cursors,
        ledger: DriftLedger,
        clock: Clock,
        log: FilteringBoundLogger,
        tell: Callable[[Outcome], None],
    ) -> None:
        self._connection = connection
        self._passes = passes
        self._settings = settings
        self._cursors = cursors
        self._ledger = ledger
        self._clock = clock
        self._log = log
        self._tell = tell

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`. What goes wrong for a reason is logged and tried again."""
        while not stop.is_set():
            try:
                async with open_lease(self._settings.database_url, f"reconciler:{self._connection}") as lease:
                    await self._while_held(lease, stop)
            except IntegrationError as error:
                self._log.warning("not compared", connection=self._connection, reason=error.reason)
                await _pause(stop, _LEASE_SECONDS)

    async def _while_held(self, lease: Lease, stop: asyncio.Event) -> None:
        next_sweep = next_look = 0.0
        while not stop.is_set():
            now = self._clock.monotonic()
            if await lease.held():
                if now >= next_sweep:
                    await self.sweep()
                    next_sweep = now + self._settings.reconcile_seconds
                    next_look = now + self._settings.reconcile_recheck_seconds
                elif now >= next_look:
                    await self.look_again()
                    next_look = now + self._settings.reconcile_recheck_seconds
            due = min(next_sweep, next_look) - self._clock.monotonic()
            await _pause(stop, min(_LEASE_SECONDS, max(0.05, due)))

    async def sweep(self) -> Outcome:
        """Compare what changed since the last sweep, or everything when its day has come."""
        position = await self._cursors.get(self._connection, FEED) or {}
        began = self._clock.now()
        everything = self._is_day_over(position, began)
        one = self._passes()
        keys = await one.changed(self._since(position, began, everything=everything), everything=everything)
        outcome = await one.compare([*keys, *await self._ledger.open_keys(self._connection)], entities())
        moved: dict[str, Any] = {"start": (began - _START).isoformat(), **position, "since": began.isoformat()}
        if everything:
            moved["full"] = began.isoformat()
        await self._cursors.put(self._connection, FEED, moved)
        self._tell(outcome)
        return outcome

    async def look_again(self) -> Outcome:
        """Only what was found different: a second look decides."""
        keys = await self._ledger.open_keys(self._connection)
        outcome = await self._passes().compare(keys, entities()) if keys else Outcome()
        self._tell(outcome)
        return outcome

    def _is_day_over(self, position: dict[str, Any], now: datetime) -> bool:
        if not position:
            return False
        last = datetime.fromisoformat(position.get("full") or position["start"])
        return (now - last).total_seconds() >= self._settings.reconcile_full_seconds

    def _since(self, position: dict[str, Any], now: datetime, *, everything: bool) -> datetime:
        """Nothing from before we came is compared: the merchant has entered that by other means."""
        start = datetime.fromisoformat(position["start"]) if position else now - _START
        if everything:
            return max(start, now - timedelta(days=self._settings.reconcile_full_days))
        if not position:
            return start
        overlap = timedelta(seconds=self._settings.reconcile_overlap_seconds)
        return max(start, datetime.fromisoformat(position["since"]) - overlap)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
