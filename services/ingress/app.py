"""Receives webhooks: verified, checked, on the broker's disk, and only then answered with 200.

It runs on aiohttp's server without the application around it: two addresses need no router, and that leaves room for
the strict reading of every body.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web
from structlog.typing import FilteringBoundLogger

from services.ingress.answer import Taken
from services.ingress.doors import Address, Doors, House, read_address
from services.ingress.forgeries import Forgeries
from services.ingress.notice import Notice
from services.ingress.publisher import Publisher
from services.ingress.refusal import BAD_SIGNATURE, TOO_MANY, WRONG_METHOD, WRONG_SHOP, Reason, Refused
from services.ingress.request import check_head, read_body, sender_of
from services.ingress.settings import Settings
from shared.runtime.clock import Clock
from shared.runtime.metrics import ServiceMetrics

# A sender that keeps a connection open is welcome; one that opens it and sends nothing is not, for long.
_KEEPALIVE_SECONDS = 75.0
_LINGERING_SECONDS = 3.0
_SHUTDOWN_SECONDS = 5.0
# The entity a refusal is counted under, before the body has told.
_ENTITY = {"shopify": "order", "heartland": "record"}

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Ingress:
    """The one handler of all requests."""

    settings: Settings
    house: House
    publisher: Publisher
    metrics: ServiceMetrics
    clock: Clock
    log: FilteringBoundLogger
    taken: Taken
    forgeries: Forgeries

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """The answer to any request; never raises for what a sender did."""
        address = None
        try:
            address = read_address(request.raw_path)
            if request.method != "POST":
                raise Refused(WRONG_METHOD)
            await self.publisher.publish(await self._accept(request, address))
        except Refused as refused:
            self._count(refused, request, address)
            return self._refuse(refused, address)
        return self.taken if request.keep_alive else web.Response()

    async def _accept(self, request: web.BaseRequest, address: Address) -> Notice:
        doors = self.house.doors(address.connection)
        limit = self.settings.ingress_max_body_bytes
        sender = sender_of(request, self.settings.ingress_proxies)
        if self.forgeries.is_barred(sender):
            raise Refused(TOO_MANY)
        check_head(request, limit)
        notice = await self._read(request, address, doors, limit)
        self.forgeries.proved(sender, address.connection)
        return notice

    async def _read(self, request: web.BaseRequest, address: Address, doors: Doors, limit: int) -> Notice:
        if address.system == "shopify":
            if doors.shopify is None:
                raise Refused(BAD_SIGNATURE)
            doors.shopify.check(request)
            body = await read_body(request, limit, self.settings.ingress_body_timeout_seconds)
            return doors.shopify.take(request, body, self.clock.now())
        if doors.heartland is None:
            raise Refused(BAD_SIGNATURE)
        body = await read_body(request, limit, self.settings.ingress_body_timeout_seconds)
        return doors.heartland.take(request, address.event, address.token, body, self.clock.now())

    def _count(self, refused: Refused, request: web.BaseRequest, address: Address | None) -> None:
        if address is not None and refused.reason in (BAD_SIGNATURE, WRONG_SHOP, TOO_MANY):
            if refused.reason is not TOO_MANY:
                self.forgeries.failed(sender_of(request, self.settings.ingress_proxies))
            self.forgeries.count(address.connection)

    def _refuse(self, refused: Refused, address: Address | None) -> web.Response:
        reason = refused.reason
        entity = _ENTITY[address.system] if address else "none"
        self.metrics.events_failed.labels(entity, reason.name).inc()
        # A name that no connection has is the sender's own text, so it does not enter the log.
        known = address.connection if address and reason.status != 404 else ""
        self.log.warning("refused", reason=reason.name, status=reason.status, connection=known, entity=entity)
        return self._answer(refused, reason)

    def _answer(self, refused: Refused, reason: Reason) -> web.Response:
        response = web.Response(status=reason.status, text=refused.sentence + "\n")
        if reason.status == 503:
            response.headers["Retry-After"] = str(self.settings.ingress_retry_after_seconds)
        elif reason.status == 405:
            response.headers["Allow"] = "POST"
        elif reason.status in (408, 413):
            response.force_close()  # what is left of the body is not worth reading
        return response


@asynccontextmanager
async def open_server(handler: Handler, host: str, port: int) -> AsyncIterator[str]:
    """Serves `handler` and yields the URL; on leaving, requests in hand are finished."""
    server = web.Server(
        handler,
        access_log=None,
        auto_decompress=False,
        keepalive_timeout=_KEEPALIVE_SECONDS,
        lingering_time=_LINGERING_SECONDS,
        max_headers=100,
    )
    runner = web.ServerRunner(server, handle_signals=False, shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, backlog=1024)
        await site.start()
        bound = runner.addresses[0]
        yield f"http://{host}:{bound[1]}"
    finally:
        await runner.cleanup()
