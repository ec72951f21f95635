"""A server that answers what a test tells it to, and a client that talks to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
from aiohttp import web

from shared.connectors.heartland.account import HeartlandAccount
from shared.connectors.heartland.client import HeartlandClient
from shared.connectors.heartland.transport import RequestLimits, Transport
from shared.limits.circuit_breaker import Breaker
from shared.limits.rate_limit import RateLimit
from shared.runtime.clock import SystemClock

Respond = Callable[[web.Request], web.StreamResponse]


@dataclass
class Spoken:
    """What was asked (method, path, query, body) and what was observed (operation, outcome)."""

    client: HeartlandClient
    asked: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    observed: list[tuple[str, str]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    url: str = ""


def a_client(
    session: aiohttp.ClientSession,
    url: str,
    observed: list[tuple[str, str]],
    limits: RequestLimits,
    *,
    rate_limit: RateLimit | None = None,
    breaker: Breaker | None = None,
) -> HeartlandClient:
    clock = SystemClock()
    transport = Transport(
        session,
        HeartlandAccount.read({"base_url": url, "api_token": "sesame"}),
        rate_limit=rate_limit or RateLimit(0, burst=1, max_in_flight=10, clock=clock),
        breaker=breaker or Breaker("test", failures=1000, clock=clock),
        clock=clock,
        observe=lambda operation, outcome, seconds: observed.append((operation, outcome)),
        limits=limits,
    )
    return HeartlandClient(transport)


@asynccontextmanager
async def answering(respond: Respond, limits: RequestLimits | None = None) -> AsyncIterator[Spoken]:
    """A client whose every call is answered by `respond`."""
    spoken: Spoken

    async def handle(request: web.Request) -> web.StreamResponse:
        spoken.asked.append((request.method, request.path, dict(request.query), await request.read()))
        spoken.headers.update(request.headers)
        return respond(request)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        url = "http://{}:{}".format(*runner.addresses[0][:2])
        async with aiohttp.ClientSession() as session:
            observed: list[tuple[str, str]] = []
            spoken = Spoken(a_client(session, url, observed, limits or RequestLimits()), observed=observed, url=url)
            yield spoken
    finally:
        await runner.cleanup()


def page(rows: Sequence[dict[str, Any]], pages: int = 1) -> web.Response:
    return web.json_response({"total": len(rows), "pages": pages, "results": list(rows)})


def asked_filter(query: dict[str, str]) -> Any:
    return orjson.loads(query.get("_filter", "{}"))


def store(rows: list[dict[str, Any]]) -> Respond:
    """Answers by id, as Heartland does: above the filter's bound, at most a page."""

    def respond(request: web.Request) -> web.Response:
        bound = asked_filter(dict(request.query)).get("id", {}).get("$gt", 0)
        found = sorted((row for row in rows if row["id"] > bound), key=lambda row: row["id"])
        return page(found[: int(request.query["per_page"])])

    return respond
