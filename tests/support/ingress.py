"""An ingress with a fake producer that keeps what is published in a list."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import structlog
from prometheus_client import CollectorRegistry
from structlog.testing import LogCapture

from services.ingress.app import Ingress, open_server
from services.ingress.publisher import Publisher
from services.ingress.receivers import ReceiverCache
from services.ingress.response import AcceptedResponse
from services.ingress.settings import Settings
from services.ingress.signature_failures import AlertChange, FailureAlert, SenderThrottle, SignatureFailures
from shared.connectors.shopify.signature import sign
from shared.entities.table import sources
from shared.errors import TargetDown
from shared.messaging.envelope import Envelope, Headers, read_envelope
from shared.runtime.metrics import ServiceMetrics
from shared.state.connections import Connection
from tests.support.clock import FakeClock

SECRET, PREVIOUS = "shpss_current", "shpss_before"
TOKEN, PREVIOUS_TOKEN = "hook-token-now", "hook-token-before"
SHOP = "harbor.myshopify.com"


def a_connection(name: str = "main") -> Connection:
    return Connection(
        name,
        {
            "shopify": {
                "shop_domain": SHOP,
                "client_id": "app",
                "client_secret": SECRET,
                "previous_client_secret": PREVIOUS,
            },
            "heartland": {
                "base_url": "https://harbor.example.test",
                "api_token": "t",
                "hook_token": TOKEN,
                "previous_hook_token": PREVIOUS_TOKEN,
            },
        },
    )


def signed(body: bytes, secret: str = SECRET, topic: str = "orders/create", **more: str) -> dict[str, str]:
    """The headers of a delivery; `more` adds or replaces (underscores stand for dashes)."""
    named = {
        "Content-Type": "application/json",
        "X-Shopify-Topic": topic,
        "X-Shopify-Hmac-Sha256": sign(body, secret),
        "X-Shopify-Shop-Domain": SHOP,
        "X-Shopify-API-Version": "2026-10",
        "X-Shopify-Webhook-Id": "w-1",
        "X-Shopify-Event-Id": "e-1",
        "X-Shopify-Triggered-At": "2026-11-20T10:00:00.123456Z",
    }
    return named | {name.replace("_", "-"): value for name, value in more.items()}


@dataclass
class Broker:
    """Fake producer. `changes`: reported changes of signature failures.

    `down` makes every send fail, `gate` blocks sends until it is set, `entered` is set by the first send.
    """

    sent: list[tuple[str, bytes | None, bytes | None, Headers]] = field(default_factory=list)
    changes: list[AlertChange] = field(default_factory=list)
    down: bool = False
    gate: asyncio.Event | None = None
    entered: asyncio.Event = field(default_factory=asyncio.Event)

    async def send_raw(
        self, name: str, key: bytes | None, value: bytes | None, headers: Headers, timeout_seconds: float | None = None
    ) -> None:
        self.entered.set()
        if self.gate is not None:
            await self.gate.wait()
        if self.down:
            raise TargetDown("no broker")
        self.sent.append((name, key, value, headers))

    def envelopes(self) -> list[Envelope]:
        return [read_envelope(headers, value) for _, _, value, headers in self.sent]


@dataclass
class RunningIngress:
    """A running ingress, and access to what it published, logged and counted."""

    url: str
    broker: Broker
    connections: dict[str, Connection]
    metrics: ServiceMetrics
    lines: list[Mapping[str, Any]]
    handle: Any
    clock: FakeClock
    signature_failures: SignatureFailures

    def rejections(self) -> dict[str, float]:
        """Rejection -> number of rejected requests, from the metrics."""
        samples = [sample for family in self.metrics.events_failed.collect() for sample in family.samples]
        return {s.labels["reason"]: s.value for s in samples if s.name.endswith("_total") and s.value}


def parts(**settings: Any) -> tuple[Ingress, Broker, dict[str, Connection], LogCapture]:
    """The ingress and its parts, without a server."""
    values = {"kafka_bootstrap_servers": "-", "database_url": "-", "secret_key": "-", "topic_prefix": "t."}
    chosen = Settings.model_validate(values | settings)
    broker, metrics, capture = Broker(), ServiceMetrics("ingress", CollectorRegistry()), LogCapture()
    connections = {"main": a_connection()}
    publisher = Publisher(
        broker,
        metrics,
        chosen.topic_prefix,
        [source.topic for _, source in sources()],
        timeout_seconds=chosen.ingress_publish_timeout_seconds,
        max_waiting_bytes=chosen.ingress_max_waiting_bytes,
    )
    log = structlog.wrap_logger(None, processors=[capture], wrapper_class=structlog.make_filtering_bound_logger(0))
    clock = FakeClock()
    signature_failures = SignatureFailures(
        SenderThrottle(chosen.ingress_failures_per_minute),
        FailureAlert(chosen.signature_alert_count, chosen.signature_alert_seconds),
        clock,
        broker.changes.append,
    )
    ingress = Ingress(
        chosen,
        ReceiverCache(connections.get),
        publisher,
        metrics,
        clock,
        log,
        AcceptedResponse(clock),
        signature_failures,
    )
    return ingress, broker, connections, capture


@asynccontextmanager
async def an_ingress(**settings: Any) -> AsyncIterator[RunningIngress]:
    """An ingress that listens on a free port."""
    ingress, broker, connections, capture = parts(**settings)
    async with open_server(ingress.handle, "127.0.0.1", 0) as url:
        clock, signature_failures = ingress.clock, ingress.signature_failures
        assert isinstance(clock, FakeClock)
        yield RunningIngress(
            url, broker, connections, ingress.metrics, capture.entries, ingress.handle, clock, signature_failures
        )
