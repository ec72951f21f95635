from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Counter

from shared.errors import Misconfigured
from shared.runtime.health import Health


async def get(health: Health, path: str) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as session, session.get(health.url + path) as response:
        is_json = response.content_type == "application/json"
        return response.status, await (response.json() if is_json else response.text())


def a_health(registry: CollectorRegistry | None = None) -> Health:
    return Health("127.0.0.1", 0, registry or CollectorRegistry())


async def test_it_is_ready_when_every_check_is_true() -> None:
    connected = False
    async with a_health() as health:
        health.ready_when("broker", lambda: connected)
        health.ready_when("database", lambda: True)

        assert await get(health, "/readyz") == (
            503,
            {"status": "unavailable", "checks": {"broker": False, "database": True}},
        )
        connected = True
        assert (await get(health, "/readyz"))[0] == 200


async def test_being_unready_does_not_make_it_dead() -> None:
    async with a_health() as health:
        health.ready_when("broker", lambda: False)

        assert await get(health, "/livez") == (200, {"status": "ok", "checks": {}})


async def test_a_check_that_raises_counts_as_false() -> None:
    async with a_health() as health:
        health.alive_when("task", lambda: bool(1 / 0))

        assert await get(health, "/livez") == (503, {"status": "unavailable", "checks": {"task": False}})


async def test_metrics_are_prometheus_text() -> None:
    registry = CollectorRegistry()
    Counter("shipped", "Things shipped", registry=registry).inc(3)
    async with a_health(registry) as health:
        status, text = await get(health, "/metrics")

    assert status == 200
    assert "shipped_total 3.0" in text


async def test_other_paths_are_not_found() -> None:
    async with a_health() as health:
        assert (await get(health, "/"))[0] == 404


async def test_a_taken_port_is_said_in_one_line() -> None:
    async with a_health() as first:
        port = int(first.url.rpartition(":")[2])

        with pytest.raises(Misconfigured, match="HEALTH_PORT"):
            await Health("127.0.0.1", port, CollectorRegistry()).__aenter__()
