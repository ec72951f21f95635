from __future__ import annotations

import asyncio
import time

from shared.runtime.loop import watch_loop


async def test_blocking_work_shows_as_loop_lag_for_a_while() -> None:
    seen: list[float] = []
    watch = asyncio.create_task(watch_loop(seen.append, interval_seconds=0.01))
    while not seen:
        await asyncio.sleep(0)
    time.sleep(0.1)  # noqa: ASYNC251 -- the offence itself
    count = len(seen)
    while len(seen) < count + 2:
        await asyncio.sleep(0.001)
    watch.cancel()

    assert seen[-1] >= 0.08
