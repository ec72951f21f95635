"""Metric of the calls to a vendor whose outcome is unknown."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from shared.errors import TargetDown
from shared.runtime.service import Shell
from shared.state.ledger import Ledger

_COUNTED_SECONDS = 10.0


@asynccontextmanager
async def counting_in_doubt(ledger: Ledger, shell: Shell, system: str) -> AsyncIterator[None]:
    """Keeps the gauge of calls to `system` in doubt up to date while it is open."""
    gauge = shell.metrics.in_doubt.labels(system)
    task = asyncio.create_task(count_in_doubt(ledger, system, gauge.set, _COUNTED_SECONDS), name="calls in doubt")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def count_in_doubt(ledger: Ledger, system: str, tell: Callable[[float], None], every_seconds: float) -> None:
    """Report how many calls to `system` are in doubt, until cancelled."""
    while True:
        # Without its database the whole service waits, and reports that elsewhere.
        with suppress(TargetDown):
            tell(await ledger.in_doubt(system))
        await asyncio.sleep(every_seconds)
