"""Connections are polled side by side: one that is slow or fails holds up no other."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable

import pytest
import structlog
from prometheus_client import CollectorRegistry

from services.poller.polling import Polling
from shared.errors import RetryLater, TargetDown
from shared.runtime.metrics import ServiceMetrics
from tests.support.messaging import until


class Harness:
    def __init__(self, names: Iterable[str], poll: Callable[[str], Awaitable[None]]) -> None:
        self.names = list(names)
        self.metrics = ServiceMetrics("poller", CollectorRegistry())
        self.stop = asyncio.Event()
        polling = Polling(
            lambda: self.names,
            poll,
            entity="fulfilment",
            seconds=0.005,
            metrics=self.metrics,
            log=structlog.get_logger(),
        )
        self.task = asyncio.create_task(polling.run(self.stop))

    def failed(self, reason: str) -> float:
        labels = {"entity": "fulfilment", "reason": reason}
        return self.metrics.registry.get_sample_value("tillbridge_events_failed_total", labels) or 0.0

    async def end(self) -> None:
        self.stop.set()
        await self.task


@pytest.fixture
async def polls() -> Counter[str]:
    return Counter()


async def test_a_connection_that_fails_holds_up_no_other(polls: Counter[str]) -> None:
    async def poll(name: str) -> None:
        polls[name] += 1
        if name == "bad":
            raise TargetDown("connection bad: the Heartland credentials lack api_token")
        if name == "unknown":
            raise RetryLater("there is no connection unknown")

    harness = Harness(["bad", "good", "unknown"], poll)
    await until(lambda: min(polls["good"], polls["bad"], polls["unknown"]) >= 3)
    await harness.end()

    assert harness.failed("target_down") >= 3
    assert harness.failed("retry") >= 3


async def test_a_slow_connection_holds_up_no_other_and_is_polled_once_at_a_time(polls: Counter[str]) -> None:
    async def poll(name: str) -> None:
        polls[name] += 1
        if name == "slow":
            await asyncio.Event().wait()

    harness = Harness(["slow", "quick"], poll)
    await until(lambda: polls["quick"] >= 5)
    await harness.end()

    assert polls["slow"] == 1


async def test_a_connection_that_is_added_is_polled_too(polls: Counter[str]) -> None:
    async def poll(name: str) -> None:
        polls[name] += 1

    harness = Harness([], poll)
    harness.names.append("new")
    await until(lambda: polls["new"])
    await harness.end()


async def test_stopping_interrupts_a_poll(polls: Counter[str]) -> None:
    ended: list[str] = []

    async def poll(name: str) -> None:
        polls[name] += 1
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    harness = Harness(["main"], poll)
    await until(lambda: polls["main"])
    await harness.end()

    assert ended == ["main"]


async def test_what_nobody_expects_stops_the_service() -> None:
    async def poll(name: str) -> None:
        raise KeyError("bug")

    harness = Harness(["main"], poll)
    with pytest.raises(KeyError):
        await harness.task
