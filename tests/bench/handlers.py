"""The handlers that ingress is compared with: bare, and minimal (checks the HMAC and awaits one produce).

`python -m tests.bench.handlers bare|minimal --port 8081 --bootstrap 127.0.0.1:9092 --topic t --secret s`
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import hmac
import signal

from aiohttp import web
from aiokafka import AIOKafkaProducer


async def bare(request: web.Request) -> web.Response:
    await request.read()
    return web.Response(text="ok")


def minimal(producer: AIOKafkaProducer, topic: str, secret: bytes) -> object:
    async def handle(request: web.Request) -> web.Response:
        body = await request.read()
        wanted = base64.b64encode(hmac.digest(secret, body, hashlib.sha256)).decode()
        if not hmac.compare_digest(wanted, request.headers.get("X-Shopify-Hmac-Sha256", "")):
            return web.Response(status=401)
        await producer.send_and_wait(topic, body, key=request.headers["X-Shopify-Webhook-Id"].encode())
        return web.Response(text="ok")

    return handle


async def serve(kind: str, port: int, bootstrap: str, topic: str, secret: str) -> None:
    """Serves the handler; its producer has the same settings as the product's."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        acks="all",
        enable_idempotence=True,
        max_batch_size=262144,
        linger_ms=0,
        compression_type="snappy",
        max_request_size=8 * 1024 * 1024,
    )
    await producer.start()
    app = web.Application(client_max_size=8 * 1024 * 1024)
    handler = bare if kind == "bare" else minimal(producer, topic, secret.encode())
    app.router.add_post("/webhooks/shopify/{connection}", handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await runner.cleanup()
    await producer.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description="a handler that ingress is compared with")
    parser.add_argument("kind", choices=["bare", "minimal"])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--secret", required=True)
    options = parser.parse_args()
    asyncio.run(serve(options.kind, options.port, options.bootstrap, options.topic, options.secret))


if __name__ == "__main__":
    main()
