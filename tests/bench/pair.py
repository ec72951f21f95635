"""Part (e): two services in a row without vendor calls, at a steady rate and at full speed.

Read, publish, read, POST, with ledger, version gate, parking and hops. The latency of an event is the time from when it
is produced until the target receives its POST.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import psutil
from aiohttp import web

from deploy.local.engine import Engine, open_engine
from services.sandbox.demo.orders import encode, order
from shared.entities.order.spec import RAW_SHOPIFY_ORDER
from shared.entities.table import topics
from shared.messaging.envelope import Envelope, new_traceparent
from shared.messaging.kafka.admin import create_topics
from shared.messaging.kafka.producer import Producer, open_producer
from shared.runtime.clock import SystemClock
from shared.runtime.settings import Settings
from shared.state.database import migrate
from tests.bench.stage import started
from tests.support.shell import SECRET_KEY

RATE, SECONDS = 300, 20
QUEUED = 6_000
KEYS = 200
STAGES = ("first", "second")
Json = dict[str, Any]


@dataclass
class Target:
    """Answers each POST with a new id. `received` is when each event came first; `duplicates` came again."""

    received: dict[str, float] = field(default_factory=dict)
    duplicates: list[str] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        event = orjson.loads(await request.read())["event"]
        if event in self.received:
            self.duplicates.append(event)
        self.received.setdefault(event, time.time())
        return web.Response(text=str(len(self.received)))

    async def until(self, count: int, seconds: float = 120) -> None:
        async with asyncio.timeout(seconds):
            while len(self.received) < count:  # noqa: ASYNC110 - filled by requests
                await asyncio.sleep(0.02)


async def measure(folder: Path) -> Json:
    """The figures `pair_*` and `cpu_us_per_event`: see `MEANINGS` in `__main__`."""
    environ = {**os.environ, "SECRET_KEY": SECRET_KEY, "HEALTH_PORT": "0", "LOG_LEVEL": "warning"}
    async with open_engine(environ, folder, high_throughput=True) as engine, _open_target() as (target, url):
        environ |= _addresses(engine, url)
        settings = Settings.from_env(environ)
        await migrate(settings.database_url)
        await create_topics(settings, topics())
        bodies = [encode(order(5, 1001 + number, datetime.now(UTC))) for number in range(KEYS)]
        async with open_producer(settings, SystemClock()) as producer, _stages(environ) as processes:
            await _warm_up(producer, bodies, target)
            steady = await _at_steady_rate(producer, bodies, target)
            full_speed = await _at_full_speed(producer, bodies, target, processes)
    return {**steady, **full_speed, "pair_duplicates": len(target.duplicates)}


def _addresses(engine: Engine, url: str) -> dict[str, str]:
    return {
        "KAFKA_BOOTSTRAP_SERVERS": engine.bootstrap_servers,
        "DATABASE_URL": engine.database_url,
        "TARGET_URL": url,
    }


async def _warm_up(producer: Producer, bodies: list[bytes], target: Target) -> None:
    await asyncio.gather(*(_produce(producer, bodies, number, "warm") for number in range(2 * KEYS)))
    await target.until(2 * KEYS)


async def _at_steady_rate(producer: Producer, bodies: list[bytes], target: Target) -> Json:
    """Sends events at a constant rate; latencies exclude the first second."""
    began, sent = time.monotonic(), {}
    sends = []
    for number in range(RATE * SECONDS):
        await asyncio.sleep(max(0.0, began + number / RATE - time.monotonic()))
        sent[f"rest-{number}:canonical"] = time.time()
        sends.append(asyncio.create_task(_produce(producer, bodies, number, "rest")))
    await asyncio.gather(*sends)
    await target.until(2 * KEYS + RATE * SECONDS)
    took = sorted(1000 * (target.received[name] - at) for name, at in list(sent.items())[RATE:])
    return {"pair_p50_ms": round(statistics.median(took), 1), "pair_p99_ms": round(took[int(0.99 * len(took))], 1)}


async def _at_full_speed(
    producer: Producer, bodies: list[bytes], target: Target, processes: Iterable[psutil.Process]
) -> Json:
    """Processes a backlog of events; the CPU is that of the two services, without broker and database."""
    paused, before = list(processes), len(target.received)
    for process in paused:
        process.suspend()
    await asyncio.gather(*(_produce(producer, bodies, number, "flat") for number in range(QUEUED)))
    used, began = sum(map(_cpu, paused)), time.monotonic()
    for process in paused:
        process.resume()
    await target.until(before + QUEUED)
    seconds, used = time.monotonic() - began, sum(map(_cpu, paused)) - used
    return {"cpu_us_per_event": round(1e6 * used / QUEUED), "pair_events_per_second": round(QUEUED / seconds)}


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def _produce(producer: Producer, bodies: list[bytes], number: int, name: str) -> None:
    key = number % KEYS
    await producer.send(
        RAW_SHOPIFY_ORDER,
        Envelope(
            id=f"{name}-{number}",
            source="shopify",
            type="shopify.orders/updated",
            time=started(time.time()),
            connection="main",
            entity="order",
            subject=str(9_000_000 + key),
            body=bodies[key],
            traceparent=new_traceparent(),
        ),
        60.0,
    )


@asynccontextmanager
async def _open_target() -> AsyncIterator[tuple[Target, str]]:
    target = Target()
    app = web.Application()
    app.router.add_post("/", target.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield target, "http://{}:{}/".format(*runner.addresses[0][:2])
    finally:
        await runner.cleanup()


@asynccontextmanager
async def _stages(environ: dict[str, str]) -> AsyncIterator[list[psutil.Process]]:
    running = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.bench.stage", env={**environ, "STAGE": stage, "INSTANCE": f"bench-{stage}"}
        )
        for stage in STAGES
    ]
    try:
        yield [psutil.Process(process.pid) for process in running]
    finally:
        for process in running:
            process.terminate()
        await asyncio.gather(*(process.wait() for process in running))
