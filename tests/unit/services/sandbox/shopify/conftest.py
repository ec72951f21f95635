"""Fixtures: a shop without HTTP, a fake clock, recorded webhooks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from services.sandbox.settings import Settings
from services.sandbox.shopify import shop as shops
from services.sandbox.shopify.endpoint import Endpoint
from services.sandbox.shopify.shop import Shop
from services.sandbox.world import World
from tests.support.clock import FakeClock

Json = dict[str, Any]


class SleepingClock(FakeClock):
    """Stands still until it is moved; whoever sleeps moves it."""

    def __init__(self) -> None:
        super().__init__(datetime(2026, 11, 20, 10, 0, tzinfo=UTC))
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds)
        await asyncio.sleep(0)


@pytest.fixture
def clock() -> SleepingClock:
    return SleepingClock()


@pytest.fixture
def open_shop(clock: SleepingClock) -> Iterator[Callable[..., Shop]]:
    """Makes shops with settings of one's own."""
    worlds: list[World] = []

    def make(**settings: Any) -> Shop:
        worlds.append(World(Settings(sandbox_latency_ms=0, **settings), clock))
        return shops.of(worlds[-1])

    yield make
    for world in worlds:
        world.journal.close()


@pytest.fixture
def shop(open_shop: Callable[..., Shop]) -> Shop:
    return open_shop(sandbox_plan="enterprise")


Ask = Callable[..., Json]


@pytest.fixture
def ask(shop: Shop) -> Ask:
    """Runs a document in the shop and gives its data; fails on errors."""
    endpoint = Endpoint(shop)

    def run(query: str, **variables: Any) -> Json:
        result, _ = endpoint.run({"query": query, "variables": variables})
        assert "errors" not in result, result["errors"]
        found: Json = result["data"]
        return found

    return run


@pytest.fixture
def announced(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Json]]:
    """Topics and bodies in the order in which they would be sent."""
    sent: list[tuple[str, Json]] = []

    def note(topics: Any, resource: Json, _name: str, _version: str = "") -> list[Any]:
        sent.extend((topic, resource) for topic in topics)
        return []

    monkeypatch.setattr(shop.webhooks, "send", note)
    return sent
