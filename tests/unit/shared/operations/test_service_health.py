"""Health and metrics of services."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from shared.operations.service_health import ServiceView, read_figures, read_health
from shared.runtime.metrics import ServiceMetrics
from shared.runtime.service import Shell
from tests.support.shell import a_shell


@pytest.fixture
async def shell() -> AsyncIterator[Shell]:
    async with a_shell(name="journal") as shell:
        yield shell


def test_labels_are_summed_up_and_the_worst_lag_is_kept() -> None:
    metrics = ServiceMetrics("x", CollectorRegistry())
    metrics.events_in.labels("order").inc(3)
    metrics.events_in.labels("refund").inc(2)
    metrics.events_failed.labels("order", "not_json").inc()
    metrics.lag_messages.labels("a").set(4)
    metrics.lag_messages.labels("b").set(1)
    metrics.lag_seconds.labels("a").set(7)
    metrics.lag_seconds.labels("b").set(3)
    metrics.breaker_state.labels("main", "heartland").set(2)
    metrics.breaker_state.labels("main", "shopify").set(0)
    metrics.budget_waiting.labels("shopify", "live").set(2)
    metrics.budget_waiting.labels("shopify", "repair").set(0)
    metrics.throttled.labels("heartland").inc(3)

    figures = read_figures(generate_latest(metrics.registry).decode())
    assert (figures.came_in, figures.failed, figures.lag, figures.lag_seconds) == (5, 1, 5, 7)
    assert figures.breakers == {"main/heartland": "open"}
    assert (figures.waiting, figures.throttled) == ({"shopify/live": 2}, {"heartland": 3})
    assert figures.rss_mb > 1


async def test_a_running_service_is_looked_at(shell: Shell) -> None:
    shell.metrics.events_out.labels("hop").inc()
    shell.health.ready_when("consumer", lambda: False)
    entry = {"name": "journal", "health": f"{shell.health.url}/readyz", "metrics": f"{shell.health.url}/metrics"}
    async with aiohttp.ClientSession() as session:
        [view] = await read_health(session, [entry])

    assert (view.name, view.state, view.why) == ("journal", "unready", "consumer")
    assert view.figures is not None
    assert view.figures.went_out == 1


async def test_a_service_that_does_not_answer_is_down() -> None:
    async with aiohttp.ClientSession() as session:
        [view] = await read_health(
            session, [{"name": "poller", "health": "http://127.0.0.1:1/readyz", "metrics": None}]
        )

    assert view == ServiceView("poller", "down")
