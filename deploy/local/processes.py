"""Starts child processes that never outlive this one.

Each in its own group, registered with a watchdog first.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Self

# The shell starts the program only after reading a line, which is sent once the watchdog has registered the group. If
# the parent is killed in between, the shell reads EOF and exits.
_HELD = 'read -r go && exec "$@" </dev/null'


class Watchdog:
    """The client of watchdog.py. If the watchdog was killed, the next command starts a new one."""

    def __init__(self) -> None:
        self._groups: dict[int, int] = {}
        self._process, self._pipe = self._launch()

    def add(self, group: int, ending: signal.Signals) -> None:
        self._groups[group] = ending
        self._send(f"+ {group} {int(ending)}\n")

    def remove(self, group: int) -> None:
        if self._groups.pop(group, None) is not None:
            self._send(f"- {group}\n")

    def close(self) -> None:
        """Makes the watchdog end all registered groups and exit."""
        self._pipe.close()
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def _launch(self) -> tuple[subprocess.Popen[bytes], FileIO]:
        theirs, ours = os.pipe()
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(__file__).with_name("watchdog.py"))],
            stdin=theirs,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # a signal to our process group must not reach it
        )
        os.close(theirs)
        return process, FileIO(ours, "w")

    def _send(self, line: str) -> None:
        if self._pipe.closed:
            return
        try:
            self._pipe.write(line.encode())
        except BrokenPipeError:
            self.close()
            self._process, self._pipe = self._launch()
            for group, ending in self._groups.items():
                self._send(f"+ {group} {ending}\n")


class Process:
    """One running program, created by `start_process`."""

    def __init__(self, process: asyncio.subprocess.Process, watchdog: Watchdog, ending: signal.Signals) -> None:
        self._process = process
        self._watchdog = watchdog
        self._ending = ending
        self._ended = asyncio.create_task(self._reap())

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return not self._ended.done()

    async def wait(self) -> int:
        """Waits for the exit code, which is negative for a signal; may be called repeatedly."""
        return await asyncio.shield(self._ended)

    async def stop(self, grace_seconds: float) -> int:
        """Sends the ending signal, and SIGKILL after the grace period."""
        self._signal(self._ending)
        try:
            return await asyncio.wait_for(self.wait(), grace_seconds)
        except TimeoutError:
            return await self.kill()

    async def kill(self) -> int:
        self._signal(signal.SIGKILL)
        return await self.wait()

    def _signal(self, number: signal.Signals) -> None:
        if self.running:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    async def _reap(self) -> int:
        code = await self._process.wait()
        self._watchdog.remove(self.pid)
        return code


async def start_process(
    argv: Sequence[str],
    *,
    watchdog: Watchdog,
    log: Path,
    environ: Mapping[str, str],
    folder: Path,
    ending: signal.Signals = signal.SIGTERM,
    user: str | None = None,
) -> Process:
    """Starts a program in `folder` and appends its output to `log`.

    `ending` is the signal for a graceful stop.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            "/bin/sh",
            "-c",
            _HELD,
            "sh",
            *argv,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            env=dict(environ),
            cwd=folder,
            start_new_session=True,
            user=user,
        )
    watchdog.add(process.pid, ending)
    await _release(process)
    return Process(process, watchdog, ending)


async def _release(process: asyncio.subprocess.Process) -> None:
    if process.stdin is not None:
        with suppress(BrokenPipeError, ConnectionResetError):
            process.stdin.write(b"go\n")
            await process.stdin.drain()
            process.stdin.close()


def made(folder: Path) -> Path:
    """Creates the folder if needed; returns its absolute path."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder.absolute()


def size(log: Path) -> int:
    return log.stat().st_size if log.exists() else 0


def tail(log: Path, lines: int = 8, since: int = 0) -> str:
    """The last lines of a log after position `since`, for a message."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(since, size(log) - 16384))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
