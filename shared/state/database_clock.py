"""One clock for all replicas: the database's.

When something was sent decides how long a look-up that finds nothing proves nothing. Another replica may be the one to
look, on a machine whose clock is an hour off: so times that replicas compare are never one machine's own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta

from shared.errors import TargetDown
from shared.runtime.clock import Clock
from shared.runtime.service import Shell
from shared.state.database import Database

_REFRESH_SECONDS = 30.0
_CLOSE = timedelta(seconds=1)
# A machine's clock that is further off is logged.
_WORTH_SAYING = timedelta(seconds=5)


class DatabaseClock:
    """The database's time, advanced by the monotonic clock: setting the machine's clock has no effect."""

    def __init__(self, own: Clock) -> None:
        self._own = own
        self._set(timedelta(0))

    def now(self) -> datetime:
        return self._then + timedelta(seconds=self._own.monotonic() - self._at)

    def monotonic(self) -> float:
        return self._own.monotonic()

    def learn(self, time: datetime, asked_at: float, answered_at: float) -> None:
        """Set the time: it was `time` at some moment between these two readings of the monotonic clock.

        A machine's clock that is within a second of that interval counts as correct: a slow answer must not move it.
        """
        now, waited = self._own.now(), timedelta(seconds=answered_at - asked_at)
        is_correct = time - _CLOSE <= now <= time + waited + _CLOSE
        self._set(timedelta(0) if is_correct else time + waited / 2 - now)

    def _set(self, offset: timedelta) -> None:
        self.offset = offset
        self._then, self._at = self._own.now() + offset, self._own.monotonic()


@asynccontextmanager
async def open_database_clock(database: Database, shell: Shell) -> AsyncIterator[Shell]:
    """The shell with the database's clock, synchronized until exit.

    While the database is down, it keeps running.
    """
    clock = DatabaseClock(shell.clock)
    await _ask(database, clock)
    if abs(clock.offset) > _WORTH_SAYING:
        shell.log.warning("this machine's clock is off", seconds=round(-clock.offset.total_seconds(), 1))
    task = asyncio.create_task(_keep_right(database, clock), name="shared time")
    shell.health.alive_when("shared time", lambda: not task.done())
    try:
        yield replace(shell, clock=clock)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def database_clock(database: Database, own: Clock) -> DatabaseClock:
    """The database's clock for a short command, read once. Raises TargetDown."""
    clock = DatabaseClock(own)
    await _ask(database, clock)
    return clock


async def _keep_right(database: Database, clock: DatabaseClock) -> None:
    while True:
        await asyncio.sleep(_REFRESH_SECONDS)
        try:
            await _ask(database, clock)
        except TargetDown:
            continue


async def _ask(database: Database, clock: DatabaseClock) -> None:
    asked_at = clock.monotonic()
    row = await database.fetchrow("select clock_timestamp() as now")
    if row is not None:
        clock.learn(row["now"], asked_at, clock.monotonic())
