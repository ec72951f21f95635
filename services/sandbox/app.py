"""One web application with both vendors below their own paths, behind one middleware for latency and faults."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from aiohttp import web

from services.sandbox import answers, control, heartland, shopify
from services.sandbox.demo import control as demo
from services.sandbox.faults import Fault
from services.sandbox.world import World

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

BEFORE: Final = (
    "outage",
    "unauthorized",
    "forbidden",
    "throttle",
    "concurrency",
    "error_before",
    "timeout_before",
    "html",
)
AFTER: Final = ("error_after", "timeout_after", "garbage", "slow")
# How long a connection is held when a timeout fault names no seconds: longer than any client waits.
HOLD_SECONDS: Final = 600.0
LARGEST_BODY: Final = 64 * 1024 * 1024


def build_app(world: World) -> web.Application:
    """The whole sandbox; whoever runs it sets `world.url` to where it can be reached."""
    wear = Wear(world)

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await wear.through(request, handler)

    app = web.Application(middlewares=[middleware], client_max_size=LARGEST_BODY)
    app.add_routes([*heartland.routes(world), *shopify.routes(world), *control.routes(world), *demo.routes(world)])

    async def closing(_: web.Application) -> AsyncIterator[None]:
        yield
        await world.close()

    app.cleanup_ctx.append(closing)
    return app


def system_of(path: str) -> str | None:
    if path.startswith("/api/"):
        return "heartland"
    return "shopify" if path.startswith("/admin/") else None


class Wear:
    """What lies between a caller and a vendor: distance, congestion, breakage."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._in_flight = {"heartland": 0, "shopify": 0}

    async def through(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        system = system_of(request.path)
        if system is None:
            return await handler(request)
        self._in_flight[system] += 1
        try:
            if self._world.settings.sandbox_latency_ms:
                await self._world.clock.sleep(self._world.settings.sandbox_latency_ms / 1000)
            if not self._world.faults:
                return await handler(request)
            return await self._faulty(system, request, handler)
        finally:
            self._in_flight[system] -= 1

    async def _faulty(self, system: str, request: web.Request, handler: Handler) -> web.StreamResponse:
        operation = await answers.operation(system, request)
        faults = self._world.faults
        before = faults.strikes(system, operation, BEFORE, self._in_flight[system])
        if before is not None:
            return await self._turned_away(system, before, request)
        # Decided before the call is applied: a fault that the call itself switches on does not concern it.
        after = faults.strikes(system, operation, AFTER)
        response = await handler(request)
        return response if after is None else await self._broken(system, after, request, response)

    async def _turned_away(self, system: str, fault: Fault, request: web.Request) -> web.StreamResponse:
        if fault.kind == "outage":
            return cut(request)
        if fault.kind == "timeout_before":
            return await self._silence(fault, request)
        return answers.turned_away(system, fault, self._world.settings.sandbox_plan)

    async def _broken(
        self, system: str, fault: Fault, request: web.Request, response: web.StreamResponse
    ) -> web.StreamResponse:
        if fault.kind == "timeout_after":
            return await self._silence(fault, request)
        if fault.kind == "slow":
            await self._world.clock.sleep(fault.seconds)
            return response
        return answers.broken(system, fault, response)

    async def _silence(self, fault: Fault, request: web.Request) -> web.StreamResponse:
        """Holds the connection without a byte until the client leaves or the time is over, then cuts it."""
        loop = asyncio.get_running_loop()
        until = loop.time() + (fault.seconds or HOLD_SECONDS)
        # aiohttp tells nobody that a client left, unless it may cancel every handler for it.
        while loop.time() < until and request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110
            await asyncio.sleep(min(0.05, until - loop.time()))
        return cut(request)


def cut(request: web.Request) -> web.StreamResponse:
    """Ends the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)
