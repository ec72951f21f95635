"""Processes end with whoever started them, however that one ended."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.processes import Process, Watchdog, start_process, tail
from tests.support.processes import Parent, is_running, until

# Starts a shell that starts a sleep of its own, and says which.
PROGRAM = """
import asyncio, json, os, pathlib, sys
from deploy.local.processes import Watchdog, start_process

async def main():
    watchdog = Watchdog()
    folder = pathlib.Path(os.environ["FOLDER"])
    argv = ["/bin/sh", "-c", "trap '' TERM; sleep 300 & echo $!; wait; wait"]
    process = await start_process(argv, watchdog=watchdog, log=folder / "log", environ=dict(os.environ), folder=folder)
    while not (folder / "log").read_text().strip():
        await asyncio.sleep(0.01)
    print(json.dumps({"pids": [process.pid, int((folder / "log").read_text())], "watchdog": watchdog.pid}), flush=True)
    await asyncio.sleep(300)

asyncio.run(main())
"""


@pytest.fixture
def watchdog() -> Iterator[Watchdog]:
    with Watchdog() as running:
        yield running


async def a_process(folder: Path, watchdog: Watchdog, script: str) -> Process:
    return await start_process(
        ["/bin/sh", "-c", script],
        watchdog=watchdog,
        log=folder / "log",
        environ=os.environ,
        folder=folder,
    )


async def test_a_killed_parent_leaves_no_process_of_the_group_behind(tmp_path: Path) -> None:
    parent = await Parent.start(PROGRAM, {"FOLDER": str(tmp_path)})
    assert all(map(is_running, parent.said["pids"]))

    await parent.kill()

    await until(lambda: not any(map(is_running, [*parent.said["pids"], parent.said["watchdog"]])))


async def test_a_killed_watchdog_is_replaced_and_knows_what_runs(tmp_path: Path, watchdog: Watchdog) -> None:
    process = await a_process(tmp_path, watchdog, "exec sleep 300")
    os.kill(watchdog.pid, signal.SIGKILL)
    await until(lambda: not is_running(watchdog.pid))
    other = await a_process(tmp_path, watchdog, "exec sleep 300")

    watchdog.close()

    assert await process.wait() == await other.wait() == -signal.SIGTERM


async def test_a_process_that_does_not_leave_is_killed_after_the_grace(tmp_path: Path, watchdog: Watchdog) -> None:
    process = await a_process(tmp_path, watchdog, "trap '' TERM; echo ready; while :; do sleep 1; done")
    await until(lambda: tail(tmp_path / "log") == "ready")

    assert await process.stop(grace_seconds=0.1) == -signal.SIGKILL


async def test_the_exit_code_can_be_asked_for_twice_and_output_is_in_the_log(
    tmp_path: Path, watchdog: Watchdog
) -> None:
    process = await a_process(tmp_path, watchdog, "echo out; echo err >&2; exit 7")

    assert [await process.wait(), await process.wait()] == [7, 7]
    assert tail(tmp_path / "log") == "out\nerr"


async def test_stopping_what_has_ended_changes_nothing(tmp_path: Path, watchdog: Watchdog) -> None:
    process = await a_process(tmp_path, watchdog, "exit 3")
    await process.wait()

    assert await process.stop(grace_seconds=1) == 3
