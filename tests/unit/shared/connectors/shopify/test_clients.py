"""One shop's trouble with its credentials is that shop's alone; a changed connection takes effect at once."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from shared.connectors.shopify.clients import ShopifyClients
from shared.errors import RetryLater, TargetDown
from shared.runtime.clock import SystemClock
from shared.runtime.metrics import ServiceMetrics
from shared.state.connections import Connection, Connections

GOOD = {"shop_domain": "demo.myshopify.com", "access_token": "shpat-1"}


@pytest.fixture
async def connections() -> Connections:
    bad = [
        Connection("no-token", {"shopify": {"shop_domain": "demo.myshopify.com"}}),
        Connection("odd-settings", {"shopify": GOOD}, {"shopify": {"metafield_namespace": 5}}),
    ]
    return Connections([Connection("good", {"shopify": GOOD}), *bad])


@pytest.fixture
async def clients(connections: Connections) -> AsyncIterator[ShopifyClients]:
    async with aiohttp.ClientSession() as session:
        metrics = ServiceMetrics("shopify_writer", CollectorRegistry())
        yield ShopifyClients(connections, session, metrics=metrics, clock=SystemClock())


async def test_a_client_is_made_once(clients: ShopifyClients) -> None:
    assert clients.get("good") is clients.get("good")


async def test_a_connection_nobody_knows_is_tried_later(clients: ShopifyClients) -> None:
    with pytest.raises(RetryLater, match="stranger"):
        clients.get("stranger")


@pytest.mark.parametrize(("name", "reason"), [("no-token", "access_token"), ("odd-settings", "metafield_namespace")])
async def test_what_cannot_work_stops_its_own_connection_only(clients: ShopifyClients, name: str, reason: str) -> None:
    with pytest.raises(TargetDown, match=f"connection {name}: .*{reason}") as caught:
        clients.get(name)

    assert "shpat-1" not in caught.value.reason
    assert clients.get("good")


async def test_a_changed_connection_gets_a_new_client(clients: ShopifyClients, connections: Connections) -> None:
    before = clients.get("good")
    connections.replace([Connection("good", {"shopify": GOOD}, {"shopify": {"metafield_namespace": "ours"}})])

    assert clients.get("good") is not before
    assert clients.get("good").settings.metafield_namespace == "ours"
