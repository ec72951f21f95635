"""Receives webhooks: verifies them, publishes them to Kafka, and only then responds with 200.

It uses aiohttp's low-level server without a router: there are only two paths, and the time saved is about what the
strict parsing of every body costs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web
from structlog.typing import FilteringBoundLogger

from services.ingress.notice import WebhookNotice
from services.ingress.publisher import Publisher
from services.ingress.receivers import ReceiverCache, Receivers, WebhookPath, parse_path
from services.ingress.rejection import BAD_SIGNATURE, TOO_MANY, WRONG_METHOD, WRONG_SHOP, Rejection, WebhookRejected
from services.ingress.request import check_head, read_body, sender_of
from services.ingress.response import AcceptedResponse
from services.ingress.settings import Settings
from services.ingress.signature_failures import SignatureFailures
from shared.runtime.clock import Clock
from shared.runtime.metrics import ServiceMetrics

# How long an idle keep-alive connection stays open.
_KEEPALIVE_SECONDS = 75.0
_LINGERING_SECONDS = 3.0
_SHUTDOWN_SECONDS = 5.0
# The entity under which a rejection is counted before the body is parsed.
_ENTITY = {"shopify": "order", "heartland": "record"}

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Ingress:
    """Handles all requests."""

    settings: Settings
    receivers: ReceiverCache
    publisher: Publisher
    metrics: ServiceMetrics
    clock: Clock
    log: FilteringBoundLogger
    accepted: AcceptedResponse
    signature_failures: SignatureFailures

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Respond to any request. Invalid requests get a response with an error status; they never raise."""
        path = None
        try:
            path = parse_path(request.raw_path)
            if request.method != "POST":
                raise WebhookRejected(WRONG_METHOD)
            await self.publisher.publish(await self._accept(request, path))
        except WebhookRejected as error:
            self._count_failure(error, request, path)
            return self._reject(error, path)
        return self.accepted if request.keep_alive else web.Response()

    async def _accept(self, request: web.BaseRequest, path: WebhookPath) -> WebhookNotice:
        receivers = self.receivers.of(path.connection)
        limit = self.settings.ingress_max_body_bytes
        sender = sender_of(request, self.settings.ingress_proxies)
        if self.signature_failures.is_throttled(sender):
            raise WebhookRejected(TOO_MANY)
        check_head(request, limit)
        notice = await self._read(request, path, receivers, limit)
        self.signature_failures.verified(sender, path.connection)
        return notice

    async def _read(
        self, request: web.BaseRequest, path: WebhookPath, receivers: Receivers, limit: int
    ) -> WebhookNotice:
        if path.system == "shopify":
            if receivers.shopify is None:
                raise WebhookRejected(BAD_SIGNATURE)
            receivers.shopify.check(request)
            body = await read_body(request, limit, self.settings.ingress_body_timeout_seconds)
            return receivers.shopify.receive(request, body, self.clock.now())
        if receivers.heartland is None:
            raise WebhookRejected(BAD_SIGNATURE)
        body = await read_body(request, limit, self.settings.ingress_body_timeout_seconds)
        return receivers.heartland.receive(request, path.event, path.token, body, self.clock.now())

    def _count_failure(self, error: WebhookRejected, request: web.BaseRequest, path: WebhookPath | None) -> None:
        if path is not None and error.reason in (BAD_SIGNATURE, WRONG_SHOP, TOO_MANY):
            if error.reason is not TOO_MANY:
                self.signature_failures.failed(sender_of(request, self.settings.ingress_proxies))
            self.signature_failures.count(path.connection)

    def _reject(self, error: WebhookRejected, path: WebhookPath | None) -> web.Response:
        reason = error.reason
        entity = _ENTITY[path.system] if path else "none"
        self.metrics.events_failed.labels(entity, reason.name).inc()
        # An unknown connection name is the sender's own text, so it is not logged.
        known = path.connection if path and reason.status != 404 else ""
        self.log.warning("webhook rejected", reason=reason.name, status=reason.status, connection=known, entity=entity)
        return self._response(error, reason)

    def _response(self, error: WebhookRejected, reason: Rejection) -> web.Response:
        response = web.Response(status=reason.status, text=error.sentence + "\n")
        if reason.status == 503:
            response.headers["Retry-After"] = str(self.settings.ingress_retry_after_seconds)
        elif reason.status == 405:
            response.headers["Allow"] = "POST"
        elif reason.status in (408, 413):
            response.force_close()  # the rest of the body is not read
        return response


@asynccontextmanager
async def open_server(handler: Handler, host: str, port: int) -> AsyncIterator[str]:
    """Serve `handler` and yield the URL; on exit, requests in progress are finished."""
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
