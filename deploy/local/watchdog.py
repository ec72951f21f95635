"""A program: ends what its parent started, once the parent is gone for whatever reason.

The parent holds the other end of our standard input. When it dies, even by kill -9, the system closes that
end and we read the end of the file: one way that works on Linux and macOS alike, and needs no polling.
Lines read: `+ <process group> <signal number>` to take a group in charge, `- <process group>` to release it.
It imports next to nothing, since one runs beside every engine.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterable, Mapping

GRACE_SECONDS = 3.0


def follow(lines: Iterable[str]) -> dict[int, int]:
    """The groups still in charge when the lines end, with the signal each is asked to leave by."""
    groups: dict[int, int] = {}
    for line in lines:
        verb, group, *number = line.split()
        if verb == "+":
            groups[int(group)] = int(number[0])
        else:
            groups.pop(int(group), None)
    return groups


def tell(group: int, number: int) -> bool:
    """False when no process of the group is left."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def end(groups: Mapping[int, int], grace_seconds: float = GRACE_SECONDS) -> None:
    left = {group for group, number in groups.items() if tell(group, number)}
    until = time.monotonic() + grace_seconds
    while left and time.monotonic() < until:
        time.sleep(0.05)
        left = {group for group in left if tell(group, 0)}
    for group in left:
        tell(group, signal.SIGKILL)


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    end(follow(sys.stdin))


if __name__ == "__main__":
    main()
