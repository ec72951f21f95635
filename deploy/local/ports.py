"""Reserves free ports, such that concurrent runs do not choose the same.

Not from the system's ephemeral range: there an outgoing connection may take the port of a broker that is
just being restarted, and a client that reconnects to it can even meet itself.
"""

from __future__ import annotations

import os
import random
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from deploy.local.locks import try_lock
from shared.errors import Misconfigured

LOWEST, HIGHEST = 20_000, 32_000
_TRIES = 200


class Ports:
    """Ports reserved with a lock file each until `close`."""

    def __init__(self, folder: Path | None = None, choose: Callable[[], int] | None = None) -> None:
        self._folder = folder or Path(tempfile.gettempdir()) / f"tillbridge-ports-{os.getuid()}"
        self._choose = choose or (lambda: random.SystemRandom().randint(LOWEST, HIGHEST))
        self._held: list[IO[bytes]] = []

    def reserve(self) -> int:
        """A port that is free and not reserved. Raises Misconfigured if there is none."""
        for _ in range(_TRIES):
            port = self._choose()
            if self._take(port):
                return port
        raise Misconfigured(f"no free port between {LOWEST} and {HIGHEST}: stop programs that listen there")

    def close(self) -> None:
        while self._held:
            self._held.pop().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def _take(self, port: int) -> bool:
        lock = try_lock(self._folder / str(port))
        if lock is None:
            return False
        if not is_free(port):
            lock.close()
            return False
        self._held.append(lock)
        return True


def is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
