"""Event loop delay: the first sign of blocking work or of a machine that is too small."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

INTERVAL_SECONDS = 0.5
# A scrape every 15 s then sees the worst of all that happened since the one before.
_REMEMBERED = 40


async def watch_loop(observe: Callable[[float], None], *, interval_seconds: float = INTERVAL_SECONDS) -> None:
    """Report the worst delay of the last twenty seconds, in seconds, until cancelled."""
    loop = asyncio.get_running_loop()
    recent: deque[float] = deque(maxlen=_REMEMBERED)
    while True:
        due = loop.time() + interval_seconds
        await asyncio.sleep(interval_seconds)
        recent.append(max(0.0, loop.time() - due))
        observe(max(recent))
