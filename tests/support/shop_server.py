"""Scripted HTTP server in place of Shopify: a test sets each response, for what the sandbox never answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
from aiohttp import web

from shared.connectors.shopify.account import ShopifyAccount
from shared.connectors.shopify.client import ShopifyClient
from shared.limits.circuit_breaker import Breaker
from shared.limits.query_cost import QueryCostLimit
from shared.runtime.clock import SystemClock
from tests.support.sandbox import Sandbox

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
CREDENTIALS = {"shop_domain": "demo.myshopify.com", "client_id": "id", "client_secret": "secret"}


@dataclass
class ShopServer:
    """Returns `answers` in turn and then repeats the last; `tokens` counts token requests."""

    url: str = ""
    answers: list[Answer] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    tokens: int = 0
    token_answer: Answer | None = None
    breaker: Breaker = field(default_factory=lambda: Breaker("demo", clock=SystemClock(), failures=100))

    def client(self, session: aiohttp.ClientSession, **credentials: str) -> ShopifyClient:
        clock = SystemClock()
        account = ShopifyAccount.read({**CREDENTIALS, "base_url": self.url, **credentials})
        self.calls: list[tuple[str, str]] = []
        return ShopifyClient(
            session,
            account,
            cost_limit=QueryCostLimit(clock, restore_rate=100_000),
            breaker=self.breaker,
            clock=clock,
            observe=lambda operation, outcome, seconds: self.calls.append((operation, outcome)),
        )

    async def graphql(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(orjson.loads(await request.read()))
        self.headers.append(dict(request.headers))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return await answer(request)

    async def token(self, request: web.Request) -> web.StreamResponse:
        self.tokens += 1
        if self.token_answer is not None:
            return await self.token_answer(request)
        return web.json_response({"access_token": f"token-{self.tokens}", "expires_in": 86399})


def says(body: object, status: int = 200, **headers: str) -> Answer:
    """An answer: bytes as they are, anything else as JSON."""
    raw = body if isinstance(body, bytes) else orjson.dumps(body)

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(body=raw, status=status, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return answer


def data(value: object, requested: float = 10, available: float = 1900, actual: float | None = None) -> Answer:
    """A success with its cost."""
    return says({"data": value, "extensions": {"cost": cost(requested, available, actual or requested)}})


def error(code: str, value: object = None, requested: float = 10, available: float = 1900) -> Answer:
    entry = {"message": f"it is {code}", "extensions": {"code": code}}
    return says({"data": value, "errors": [entry], "extensions": {"cost": cost(requested, available, None)}})


def cost(requested: float, available: float, actual: float | None) -> dict[str, Any]:
    bucket = {"maximumAvailable": 2000, "currentlyAvailable": available, "restoreRate": 100_000}
    return {"requestedQueryCost": requested, "actualQueryCost": actual, "throttleStatus": bucket}


@asynccontextmanager
async def open_shop_server(*answers: Answer) -> AsyncIterator[tuple[ShopServer, aiohttp.ClientSession]]:
    server = ShopServer(answers=list(answers))
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_post("/admin/api/{version}/graphql.json", server.graphql)
    app.router.add_post("/admin/oauth/access_token", server.token)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.url = "http://{}:{}".format(*runner.addresses[0][:2])
        async with aiohttp.ClientSession() as session:
            yield server, session
    finally:
        await runner.cleanup()


def sandbox_client(sandbox: Sandbox, **credentials: str) -> ShopifyClient:
    """Our client against the sandbox's shop."""
    told = sandbox.world.settings
    account = ShopifyAccount.read(
        {
            "shop_domain": told.sandbox_shop_domain,
            "client_id": told.sandbox_client_id,
            "client_secret": told.sandbox_client_secret,
            "base_url": sandbox.url,
            **credentials,
        }
    )
    clock = SystemClock()
    breaker = Breaker("sandbox", clock=clock)
    return ShopifyClient(
        sandbox.session,
        account,
        cost_limit=QueryCostLimit(clock),
        breaker=breaker,
        clock=clock,
        observe=lambda *_: None,
    )
