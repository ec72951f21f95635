"""The sandbox inside the test's own process, on a free port."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import aiohttp
import orjson
from aiohttp import web

from services.sandbox.app import build_app
from services.sandbox.settings import Settings
from services.sandbox.world import Clock, World


@dataclass
class Sandbox:
    """`url` is the base address; `world` gives direct access to its state."""

    url: str
    world: World
    session: aiohttp.ClientSession
    names: dict[str, int] = field(default_factory=dict)

    async def control(self, method: str, path: str, body: object = None) -> Any:
        """A call to /_sandbox/...; its JSON. Fails the test on anything but a success."""
        data = None if body is None else orjson.dumps(body, default=str)
        async with self.session.request(method, f"{self.url}/_sandbox{path}", data=data) as response:
            text = await response.text()
            assert response.status < 300, f"{method} {path}: {response.status} {text}"
            return orjson.loads(text)

    async def faults(self, *faults: dict[str, Any]) -> None:
        await self.control("POST", "/faults", {"faults": list(faults)})

    async def fault_hits(self) -> list[int]:
        """How often each fault was injected, in the order in which they were given."""
        return [fault["hits"] for fault in (await self.control("GET", "/faults"))["faults"]]

    async def journal(self, system: str = "", after: int = 0) -> list[dict[str, Any]]:
        answer = await self.control("GET", f"/journal?system={system}&after={after}")
        entries: list[dict[str, Any]] = answer["entries"]
        return entries

    async def reset(self) -> None:
        await self.control("POST", "/reset")

    async def heartland(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        params: Sequence[tuple[str, str]] = (),
        token: str | None = None,
    ) -> Heard:
        """A call to Heartland's REST interface, e.g. `heartland("GET", "items/100001")`."""
        secret = self.world.settings.sandbox_api_token if token is None else token
        data = body if isinstance(body, bytes) else None if body is None else orjson.dumps(body, default=_numeral)
        headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
        async with self.session.request(
            method, f"{self.url}/api/{path}", data=data, headers=headers, params=list(params)
        ) as response:
            return Heard(response.status, await response.read(), response.headers.get("Location", ""))


@dataclass(frozen=True)
class Heard:
    """A response: status, raw bytes, Location header."""

    status: int
    raw: bytes
    location: str

    @property
    def body(self) -> Any:
        return orjson.loads(self.raw)

    @property
    def id(self) -> int:
        return int(self.location.rpartition("/")[2])


@asynccontextmanager
async def open_sandbox(*, clock: Clock | None = None, **settings: Any) -> AsyncIterator[Sandbox]:
    """A sandbox without latency unless `sandbox_latency_ms` says otherwise; other fields by their names."""
    world = World(Settings(**{"sandbox_latency_ms": 0, **settings}), clock)
    runner = web.AppRunner(build_app(world), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        world.url = "http://{}:{}".format(*runner.addresses[0][:2])
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            yield Sandbox(world.url, world, session)
    finally:
        await runner.cleanup()


def _numeral(value: object) -> orjson.Fragment:
    if isinstance(value, Decimal):
        return orjson.Fragment(str(value).encode())
    raise TypeError(f"not JSON: {type(value).__name__}")


def sandbox_settings(*, read_lag_seconds: float) -> dict[str, Any]:
    """Connection settings for the sandbox's account, whose reads show writes after this many seconds."""
    return {"heartland": {"read_lag_seconds": read_lag_seconds, "order": {"source_location": "Online"}}}
