"""Observes processes from outside, and waits for conditions."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[2]


def is_running(pid: int) -> bool:
    """Whether the process runs; a zombie, which only waits to be reaped, does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> float:
    """Waits for the condition and returns the seconds it took. Fails the test on timeout."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, f"not within {seconds} s"
        await asyncio.sleep(0.02)
    return time.monotonic() - started


class Parent:
    """A Python program in its own process; it prints one line of JSON when it is ready."""

    def __init__(self, process: asyncio.subprocess.Process, said: dict[str, Any]) -> None:
        self._process = process
        self.said = said

    @classmethod
    async def start(cls, program: str, environ: Mapping[str, str]) -> Parent:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            program,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, **environ, "PYTHONPATH": str(ROOT)},
        )
        assert process.stdout is not None
        return cls(process, json.loads(await process.stdout.readline()))

    async def kill(self) -> None:
        """SIGKILL: the program cannot clean up."""
        self._process.send_signal(signal.SIGKILL)
        await self._process.communicate()
