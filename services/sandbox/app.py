"""The web application: both vendors' APIs, the control API, a middleware for latency and faults."""

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

UNAPPLIED: Final = (
    "outage",
    "unauthorized",
    "forbidden",
    "throttle",
    "concurrency",
    "error_before",
    "timeout_before",
    "html",
)
APPLIED: Final = ("error_after", "timeout_after", "garbage", "slow")
# How long a timeout fault without `seconds` holds a connection: longer than any client's timeout.
HOLD_SECONDS: Final = 600.0
MAX_BODY_BYTES: Final = 64 * 1024 * 1024


def build_app(world: World) -> web.Application:
    """The whole sandbox; the caller sets `world.url` to the address at which it is reachable."""
    fault_middleware = FaultMiddleware(world)

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await fault_middleware.handle(request, handler)

    app = web.Application(middlewares=[middleware], client_max_size=MAX_BODY_BYTES)
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


class FaultMiddleware:
    """Adds latency to vendor calls and injects faults before or after they are applied."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._in_flight = {"heartland": 0, "shopify": 0}

    async def handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
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
        before = faults.trigger(system, operation, UNAPPLIED, self._in_flight[system])
        if before is not None:
            return await self._answer_unapplied(system, before, request)
        # Chosen before the call is applied, so that a fault which the call itself switches on does not affect it.
        after = faults.trigger(system, operation, APPLIED)
        response = await handler(request)
        return response if after is None else await self._answer_applied(system, after, request, response)

    async def _answer_unapplied(self, system: str, fault: Fault, request: web.Request) -> web.StreamResponse:
        if fault.kind == "outage":
            return abort(request)
        if fault.kind == "timeout_before":
            return await self._hold_connection(fault, request)
        return answers.unapplied_answer(system, fault, self._world.settings.sandbox_plan)

    async def _answer_applied(
        self, system: str, fault: Fault, request: web.Request, response: web.StreamResponse
    ) -> web.StreamResponse:
        if fault.kind == "timeout_after":
            return await self._hold_connection(fault, request)
        if fault.kind == "slow":
            await self._world.clock.sleep(fault.seconds)
            return response
        return answers.applied_answer(system, fault, response)

    async def _hold_connection(self, fault: Fault, request: web.Request) -> web.StreamResponse:
        """Sends nothing until the client disconnects or the time is over, then aborts the connection."""
        loop = asyncio.get_running_loop()
        until = loop.time() + (fault.seconds or HOLD_SECONDS)
        # aiohttp reports a disconnect only by cancelling handlers, which is off, so the transport is polled.
        while loop.time() < until and request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110
            await asyncio.sleep(min(0.05, until - loop.time()))
        return abort(request)


def abort(request: web.Request) -> web.StreamResponse:
    """Aborts the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)
