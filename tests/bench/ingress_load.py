"""An HTTP load generator: keep-alive connections over raw sockets, so that the client costs less than the server.

As a module: `await load(url, requests, connections=64, seconds=5)`. As a process, so that its CPU does not count as the
server's: `python -m tests.bench.ingress_load --url http://127.0.0.1:8080/webhooks/shopify/shop --secret s --seconds 5`,
which prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import hmac
import itertools
import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit


@dataclass
class Load:
    """The result of a load run. Latencies are in seconds, of answered requests after the warm-up."""

    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)

    def report(self) -> dict[str, object]:
        ordered = sorted(self.latencies)
        return {
            "requests": len(ordered),
            "seconds": round(self.seconds, 3),
            "requests_per_second": round(len(ordered) / self.seconds, 1) if self.seconds else 0.0,
            "p50_ms": round(quantile(ordered, 0.5) * 1000, 2),
            "p99_ms": round(quantile(ordered, 0.99) * 1000, 2),
            "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
        }


def quantile(ordered: Sequence[float], share: float) -> float:
    """The nearest-rank quantile of sorted values; 0 for none."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def webhook(url: str, body: bytes, *, secret: str, topic: str = "orders/create", webhook_id: str = "w") -> bytes:
    """The HTTP request of one signed Shopify delivery."""
    parts = urlsplit(url)
    signature = base64.b64encode(hmac.digest(secret.encode(), body, hashlib.sha256)).decode()
    head = [
        f"POST {parts.path} HTTP/1.1",
        f"Host: {parts.netloc}",
        "User-Agent: Shopify-Captain-Hook",
        "Accept: */*",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        f"X-Shopify-Topic: {topic}",
        f"X-Shopify-Hmac-Sha256: {signature}",
        "X-Shopify-Shop-Domain: sandbox.myshopify.com",
        "X-Shopify-API-Version: 2026-10",
        f"X-Shopify-Webhook-Id: {webhook_id}",
        f"X-Shopify-Event-Id: e-{webhook_id}",
        "X-Shopify-Triggered-At: 2026-11-20T10:00:00.000000Z",
    ]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


class _Connection(asyncio.Protocol):
    """Sends one request at a time: the next one once the answer to the previous one is complete."""

    def __init__(self, requests: Iterator[bytes], result: Load, lost: asyncio.Event) -> None:
        self.requests, self.result, self.lost = requests, result, lost
        self.transport: asyncio.Transport | None = None
        self.sent_at = 0.0
        self.buffer = b""
        self.running = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.send()

    def send(self) -> None:
        assert self.transport is not None
        self.sent_at = time.perf_counter()
        self.transport.write(next(self.requests))

    def data_received(self, data: bytes) -> None:
        self.buffer = data if not self.buffer else self.buffer + data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0 or len(self.buffer) < end + 4 + content_length(self.buffer, end):
            return
        self.result.latencies.append(time.perf_counter() - self.sent_at)
        self.result.statuses[int(self.buffer[9:12])] += 1
        self.buffer = b""
        if self.running:
            self.send()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.running:
            self.lost.set()


def content_length(answer: bytes, end: int) -> int:
    """The Content-Length of an answer whose headers end at `end`."""
    head = answer[:end].lower()
    at = head.find(b"content-length:")
    return int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0


async def load(
    url: str, requests: Iterable[bytes], *, connections: int = 64, seconds: float = 5.0, warmup: float = 1.0
) -> Load:
    """Sends `requests` repeatedly for `seconds` after `warmup`. Raises ConnectionError if the server disconnects."""
    parts = urlsplit(url)
    loop = asyncio.get_running_loop()
    lost, result, endless = asyncio.Event(), Load(), itertools.cycle(requests)
    made = [
        await loop.create_connection(lambda: _Connection(endless, result, lost), parts.hostname, parts.port)
        for _ in range(connections)
    ]
    try:
        await _until(lost, warmup)
        result.latencies.clear()
        result.statuses.clear()
        started = time.perf_counter()
        await _until(lost, seconds)
        result.seconds = time.perf_counter() - started
    finally:
        for transport, connection in made:
            connection.running = False
            transport.close()
    return Load(result.seconds, Counter(result.statuses), list(result.latencies))


async def _until(lost: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await lost.wait()
    except TimeoutError:
        return
    raise ConnectionError("the server closed a connection")


def order_bodies(count: int) -> list[bytes]:
    """The webhook bodies of `count` generated orders, about 6 KB each."""
    from services.sandbox.demo.orders import encode, orders

    return [encode(order) for order in itertools.islice(orders(seed=6), count)]


def main() -> None:
    parser = argparse.ArgumentParser(description="load an ingress with signed webhooks")
    parser.add_argument("--url", required=True)
    parser.add_argument("--secret", required=True)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--warmup", type=float, default=1.0)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--orders", type=int, default=500, help="distinct orders to cycle through")
    parser.add_argument("--body", type=Path, help="send this file instead of generated orders")
    options = parser.parse_args()
    bodies = [options.body.read_bytes()] if options.body else order_bodies(options.orders)
    requests = [webhook(options.url, b, secret=options.secret, webhook_id=f"w-{n}") for n, b in enumerate(bodies)]
    result = asyncio.run(
        load(
            options.url,
            requests,
            connections=options.connections,
            seconds=options.seconds,
            warmup=options.warmup,
        )
    )
    print(json.dumps(result.report()))


if __name__ == "__main__":
    main()
