from __future__ import annotations

import asyncio

import pytest

from shared.messaging.consumer.task_supervisor import TaskSupervisor


async def fail(error: Exception) -> None:
    raise error


async def never() -> None:
    await asyncio.Event().wait()


async def test_the_first_failure_ends_the_wait() -> None:
    crew = TaskSupervisor()
    crew.start(never(), "idle")
    crew.start(fail(ValueError("first")), "failing")

    with pytest.raises(ValueError, match="first"):
        await crew.until(asyncio.Event())
    await crew.dismiss()


async def test_a_stop_ends_the_wait_and_dismissing_cancels_all() -> None:
    crew, stop = TaskSupervisor(), asyncio.Event()
    task = crew.start(never(), "idle")
    stop.set()

    await crew.until(stop)
    await crew.dismiss()
    assert task.cancelled()
    assert not crew.has_failed


async def test_a_cancelled_task_is_no_failure() -> None:
    crew = TaskSupervisor()
    task = crew.start(never(), "idle")
    task.cancel()
    await asyncio.wait({task})

    crew.check()
