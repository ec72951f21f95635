"""Part (a): ingress against a bare and a minimal handler, alternately, under the same load."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import statistics
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import aiohttp
import psutil
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.local.stack import Stack

ROUNDS = 3
SECONDS = 6.0
SECRET = "sandbox-client-secret"
TOPIC = "bench.minimal"
Json = dict[str, Any]


async def measure(stack: Stack) -> Json:
    """Medians over the rounds; the first round warms the broker up and is discarded."""
    await _topic(stack.engine.bootstrap_servers)
    with _paused(stack):
        return await _compare(stack)


async def _compare(stack: Stack) -> Json:
    async with _handler(stack, "bare") as bare, _handler(stack, "minimal") as minimal:
        urls = {"ingress": stack.webhook_url, "minimal": minimal, "bare": bare}
        rounds: dict[str, list[Json]] = {name: [] for name in urls}
        for turn in range(ROUNDS + 1):
            for name, url in urls.items():
                result = await load(url)
                if turn:
                    rounds[name].append(result)
    rates = {name: statistics.median(r["requests_per_second"] for r in results) for name, results in rounds.items()}
    p99 = {name: statistics.median(r["p99_ms"] for r in results) for name, results in rounds.items()}
    return {
        "ingress_ratio": round(rates["ingress"] / rates["minimal"], 3),
        "ingress_ratio_bare": round(rates["ingress"] / rates["bare"], 3),
        "ingress_p99_ms": p99["ingress"],
        "requests_per_second": rates,
        "p99_ms": p99,
        "refused": sum(int(count) for r in rounds["ingress"] for code, count in r["statuses"].items() if code != "200"),
    }


@contextmanager
def _paused(stack: Stack) -> Iterator[None]:
    """Pauses all other services: nothing consumes what the simpler handlers publish either."""
    services = json.loads(stack.run_json.read_text(encoding="utf-8"))["services"]
    paused = [psutil.Process(entry["pid"]) for entry in services if entry["name"] != "ingress"]
    for process in paused:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in paused:
            process.send_signal(signal.SIGCONT)


async def load(url: str) -> Json:
    """One load run in a separate process."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.ingress_load", "--url", url, "--secret", SECRET, "--seconds", str(SECONDS),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"the load on {url} failed")
    report: Json = json.loads(out)
    return report


async def _topic(bootstrap: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(TOPIC, 12, 1)])
    finally:
        await admin.close()


@asynccontextmanager
async def _handler(stack: Stack, kind: str) -> AsyncIterator[str]:
    port = _free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.handlers", kind, "--port", str(port),
        "--bootstrap", stack.engine.bootstrap_servers, "--topic", TOPIC, "--secret", SECRET,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}/webhooks/shopify/main"
    try:
        await _until_up(url)
        yield url
    finally:
        process.terminate()
        await process.wait()


async def _until_up(url: str) -> None:
    async with aiohttp.ClientSession() as session:
        for _ in range(200):
            try:
                async with session.get(url):
                    return
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.05)
    raise TimeoutError(f"no server answers at {url}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
