"""TCP proxy that injects latency, loss and resets, in toxiproxy's terms; faults can be changed while it runs.

A toxic applies to one direction: `requests` (from the client to the server) or `replies`. So "the request is
carried out and the response is lost" is `replies.timeout`. Toxics of one direction work together.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random
from typing import Final

CHUNK: Final = 64 * 1024
CONNECT_SECONDS: Final = 2.0
# Linger of zero seconds: closing sends a reset instead of an end.
RESET: Final = struct.pack("ii", 1, 0)

Address = tuple[str, int] | Path


@dataclass
class Toxics:
    """What happens to the bytes of one direction. The defaults are those of a healthy connection."""

    latency: float = 0.0  # seconds by which each chunk is delayed
    jitter: float = 0.0  # up to this many random seconds more
    bandwidth: float = 0.0  # bytes per second; 0: no limit
    slice: int = 0  # chunks of at most this many bytes; 0: as they come
    timeout: bool = False  # nothing passes, the connection stays
    limit_data: int = 0  # the connection ends after this many bytes; 0: never
    reset_rate: float = 0.0  # probability that a chunk resets the connection


@dataclass(eq=False)
class Link:
    """One connection through the proxy."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter

    def close(self, *, reset: bool) -> None:
        for writer in (self.client, self.server):
            if reset:
                _reset(writer)
            writer.close()


@dataclass
class Proxy:
    """Made by `open_proxy`. `upstreams` may change at any time: a new connection takes the next one that answers."""

    upstreams: list[Address]
    random: Random
    requests: Toxics = field(default_factory=Toxics)
    replies: Toxics = field(default_factory=Toxics)
    down: bool = False
    port: int = 0
    _links: set[Link] = field(default_factory=set)
    _turns: Callable[[], int] = field(default_factory=lambda: count().__next__)
    _healed: asyncio.Event = field(default_factory=asyncio.Event)

    def heal(self) -> None:
        """Removes all faults. Connections that lost bytes are closed: those bytes cannot be delivered any more."""
        was_silent = self.requests.timeout or self.replies.timeout
        self.requests, self.replies, self.down = Toxics(), Toxics(), False
        if was_silent:
            self.cut()
        self._healed.set()
        self._healed = asyncio.Event()

    def cut(self, *, reset: bool = True) -> None:
        """Closes all open connections."""
        for link in list(self._links):
            link.close(reset=reset)

    def go_down(self) -> None:
        """Closes all connections and refuses new ones until `heal`."""
        self.down = True
        self.cut()

    @property
    def connections(self) -> int:
        return len(self._links)

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found = None if self.down else await self._reach()
        if found is None:
            _reset(writer)
            writer.close()
            return
        link = Link(writer, found[1])
        self._links.add(link)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._carry(reader, found[1], lambda: self.requests, link))
                tasks.create_task(self._carry(found[0], writer, lambda: self.replies, link))
        finally:
            self._links.discard(link)
            link.close(reset=False)

    async def _reach(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        first = self._turns()
        for offset in range(len(self.upstreams)):
            address = self.upstreams[(first + offset) % len(self.upstreams)]
            with suppress(OSError, TimeoutError):
                return await asyncio.wait_for(_connect(address), CONNECT_SECONDS)
        return None

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, toxics: Callable[[], Toxics], link: Link
    ) -> None:
        passed = 0
        with suppress(OSError):
            while data := await reader.read(toxics().slice or CHUNK):
                while (now := toxics()).timeout:
                    await self._healed.wait()
                await asyncio.sleep(self._lateness(now, len(data)))
                if self.random.random() < now.reset_rate:
                    break
                if now.limit_data and passed + len(data) > now.limit_data:
                    writer.write(data[: now.limit_data - passed])
                    break
                passed += len(data)
                writer.write(data)
                await writer.drain()
            else:
                await _end(writer)
                return
        link.close(reset=True)

    def _lateness(self, toxics: Toxics, size: int) -> float:
        pace = size / toxics.bandwidth if toxics.bandwidth else 0.0
        return toxics.latency + toxics.jitter * self.random.random() + pace


async def _end(writer: asyncio.StreamWriter) -> None:
    """The other half may still be speaking."""
    if writer.can_write_eof():
        writer.write_eof()
        await writer.drain()


async def _connect(address: Address) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if isinstance(address, Path):
        return await asyncio.open_unix_connection(str(address), limit=CHUNK)
    return await asyncio.open_connection(*address, limit=CHUNK)


def _reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    if connection is not None and connection.family != socket.AF_UNIX:
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


@asynccontextmanager
async def open_proxy(
    *upstreams: Address, port: int = 0, path: Path | None = None, random: Random | None = None
) -> AsyncIterator[Proxy]:
    """Listens on 127.0.0.1 (`proxy.port`), or on a socket file where a `path` is given."""
    proxy = Proxy(list(upstreams), random or Random(0))
    if path is None:
        server: asyncio.Server = await asyncio.start_server(proxy.accept, "127.0.0.1", port, limit=CHUNK)
        proxy.port = server.sockets[0].getsockname()[1]
    else:
        server = await asyncio.start_unix_server(proxy.accept, str(path), limit=CHUNK)
    try:
        yield proxy
    finally:
        server.close()
        proxy.heal()
        proxy.cut()
