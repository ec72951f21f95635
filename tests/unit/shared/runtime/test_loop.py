from __future__ import annotations

import asyncio
import time

from shared.runtime.loop import watch_loop
from tests.support.processes import until


async def test_blocking_work_shows_as_loop_lag_for_a_while() -> None:
    seen: list[float] = []
    watch = asyncio.create_task(watch_loop(seen.append, interval_seconds=0.01))
    await until(lambda: bool(seen))
    time.sleep(0.1)  # noqa: ASYNC251 -- the offence itself
    count = len(seen)
    await until(lambda: len(seen) >= count + 2)
    watch.cancel()

    assert seen[-1] >= 0.08
