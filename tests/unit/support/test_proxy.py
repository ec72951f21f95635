from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.support.proxy import Proxy, Toxics, open_proxy

Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Echo:
    """A server that gives back what it gets, and remembers it."""

    def __init__(self, name: str = "") -> None:
        self.name = name.encode()
        self.got = b""
        self.address = ("127.0.0.1", 0)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            self.got += data
            writer.write(self.name + data)
            await writer.drain()
        writer.close()


@asynccontextmanager
async def an_echo(name: str = "") -> AsyncIterator[Echo]:
    echo = Echo(name)
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    echo.address = server.sockets[0].getsockname()[:2]
    yield echo
    server.close()


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    async with an_echo() as running:
        yield running


@pytest.fixture
async def proxy(echo: Echo) -> AsyncIterator[Proxy]:
    async with open_proxy(echo.address) as running:
        yield running


async def line(proxy: Proxy) -> Line:
    return await asyncio.open_connection("127.0.0.1", proxy.port)


async def ask(to: Line, text: bytes, answer_bytes: int | None = None) -> bytes:
    reader, writer = to
    writer.write(text)
    await writer.drain()
    return await asyncio.wait_for(reader.readexactly(answer_bytes or len(text)), 5)


async def ended(to: Line) -> bool:
    """Whether the other side ends the connection."""
    try:
        return await asyncio.wait_for(to[0].read(1), 5) == b""
    except ConnectionError:
        return True


async def test_a_healthy_line_carries_both_ways(proxy: Proxy) -> None:
    to = await line(proxy)
    assert await ask(to, b"x" * 200_000) == b"x" * 200_000
    to[1].close()


async def test_a_late_line_is_late_by_that_much(proxy: Proxy) -> None:
    to = await line(proxy)
    proxy.replies = Toxics(latency=0.2)
    began = time.monotonic()
    await ask(to, b"hello")

    assert time.monotonic() - began >= 0.2
    to[1].close()


async def test_a_narrow_line_takes_its_time(proxy: Proxy) -> None:
    to = await line(proxy)
    proxy.requests = Toxics(bandwidth=50_000)
    began = time.monotonic()
    await ask(to, b"x" * 10_000)

    assert time.monotonic() - began >= 0.2
    to[1].close()


async def test_a_sliced_line_carries_the_same_bytes(proxy: Proxy) -> None:
    to = await line(proxy)
    proxy.requests = proxy.replies = Toxics(slice=7)
    assert await ask(to, bytes(range(200))) == bytes(range(200))
    to[1].close()


async def test_requests_pass_while_replies_are_lost_for_good(proxy: Proxy, echo: Echo) -> None:
    to = await line(proxy)
    proxy.replies = Toxics(timeout=True)
    to[1].write(b"do it")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(to[0].read(1), 0.2)
    proxy.heal()

    assert echo.got == b"do it"
    assert await ended(to)
    again = await line(proxy)
    assert await ask(again, b"and now") == b"and now"
    again[1].close()


async def test_a_line_ends_after_so_many_bytes(proxy: Proxy) -> None:
    to = await line(proxy)
    proxy.replies = Toxics(limit_data=3)
    assert await ask(to, b"hello", 3) == b"hel"
    assert await ended(to)


async def test_a_reset_ends_the_line(proxy: Proxy) -> None:
    to = await line(proxy)
    proxy.requests = Toxics(reset_rate=1.0)
    to[1].write(b"hello")
    assert await ended(to)


async def test_a_line_that_is_down_refuses_until_it_is_healed(proxy: Proxy) -> None:
    old = await line(proxy)
    await ask(old, b"there")
    proxy.go_down()
    assert await ended(old)
    assert await ended(await line(proxy))
    proxy.heal()
    new = await line(proxy)
    assert await ask(new, b"back") == b"back"
    new[1].close()


async def test_connections_take_turns_and_pass_over_who_is_away() -> None:
    said = set()
    async with (
        an_echo("1") as first,
        an_echo("2") as second,
        open_proxy(first.address, ("127.0.0.1", 1), second.address) as proxy,
    ):
        for _ in range(3):
            to = await line(proxy)
            said.add(await ask(to, b"?", 2))
            to[1].close()

    assert said == {b"1?", b"2?"}


async def test_a_socket_file_is_a_line_too(echo: Echo) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "line"
        async with open_proxy(echo.address, path=path):
            to = await asyncio.open_unix_connection(str(path))
            assert await ask(to, b"hello") == b"hello"
            to[1].close()
