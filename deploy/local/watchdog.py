"""A program that ends its parent's child processes once the parent has ended, even by SIGKILL.

The parent holds the other end of standard input. When it ends, the system closes that end and the watchdog reads EOF;
this works on Linux and macOS without polling. Input lines: `+ <process group> <signal number>` registers a group,
`- <process group>` removes it. It imports few modules, since one runs beside every engine.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterable, Mapping

GRACE_SECONDS = 3.0


def follow(lines: Iterable[str]) -> dict[int, int]:
    """The groups still registered when the input ends, with the signal that stops each."""
    groups: dict[int, int] = {}
    for line in lines:
        verb, group, *number = line.split()
        if verb == "+":
            groups[int(group)] = int(number[0])
        else:
            groups.pop(int(group), None)
    return groups


def send_signal(group: int, number: int) -> bool:
    """Sends a signal; False if no process of the group is left."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def end(groups: Mapping[int, int], grace_seconds: float = GRACE_SECONDS) -> None:
    left = {group for group, number in groups.items() if send_signal(group, number)}
    until = time.monotonic() + grace_seconds
    while left and time.monotonic() < until:
        time.sleep(0.05)
        left = {group for group in left if send_signal(group, 0)}
    for group in left:
        send_signal(group, signal.SIGKILL)


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    end(follow(sys.stdin))


if __name__ == "__main__":
    main()
