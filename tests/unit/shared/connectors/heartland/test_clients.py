"""One account's trouble with its credentials is that account's alone; a changed connection takes effect at once."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from shared.connectors.heartland.clients import CallLimits, HeartlandClients
from shared.errors import RetryLater, TargetDown
from shared.runtime.clock import SystemClock
from shared.runtime.metrics import ServiceMetrics
from shared.state.connections import Connection, Connections

GOOD = {"base_url": "https://demo.example.com", "api_token": "secret"}


@pytest.fixture
async def connections() -> Connections:
    bad = [
        Connection("no-token", {"heartland": {"base_url": "https://demo.example.com"}}),
        Connection("odd-settings", {"heartland": GOOD}, {"heartland": {"read_lag_seconds": "long"}}),
    ]
    return Connections([Connection("good", {"heartland": GOOD}), *bad])


@pytest.fixture
async def clients(connections: Connections) -> AsyncIterator[HeartlandClients]:
    async with aiohttp.ClientSession() as session:
        metrics = ServiceMetrics("poller", CollectorRegistry())
        yield HeartlandClients(connections, session, CallLimits(0, 2, 30), metrics=metrics, clock=SystemClock())


async def test_a_client_is_made_once(clients: HeartlandClients) -> None:
    assert clients.get("good") is clients.get("good")


async def test_a_connection_nobody_knows_is_tried_later(clients: HeartlandClients) -> None:
    with pytest.raises(RetryLater, match="stranger"):
        clients.get("stranger")


@pytest.mark.parametrize(("name", "reason"), [("no-token", "lack api_token"), ("odd-settings", "read_lag_seconds")])
async def test_what_cannot_work_stops_its_own_connection_only(
    clients: HeartlandClients, name: str, reason: str
) -> None:
    with pytest.raises(TargetDown, match=f"connection {name}: .*{reason}") as caught:
        clients.get(name)

    assert "secret" not in caught.value.reason
    assert clients.get("good")


async def test_a_changed_connection_gets_a_new_client(clients: HeartlandClients, connections: Connections) -> None:
    before = clients.get("good")
    connections.replace([Connection("good", {"heartland": GOOD}, {"heartland": {"empty_refusals": True}})])

    assert clients.get("good") is not before
    assert clients.get("good").settings.empty_refusals
