"""One shop's trouble with its credentials is that shop's alone; a changed connection takes effect at once."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from services.transformers.settings import Settings
from services.transformers.shops import Shops
from shared.connectors.shopify.clients import ShopifyClients
from shared.errors import RetryLater, TargetDown
from shared.runtime.clock import SystemClock
from shared.runtime.metrics import ServiceMetrics
from shared.state.connections import Connection, Connections

GOOD = {"shop_domain": "demo.myshopify.com", "access_token": "shpat_1"}


def settings() -> Settings:
    return Settings(kafka_bootstrap_servers="", database_url="", secret_key="x")  # type: ignore[arg-type]


@pytest.fixture
async def connections() -> Connections:
    return Connections([Connection("good", {"shopify": GOOD}), Connection("bad", {"shopify": {}})])


@pytest.fixture
async def shops(connections: Connections) -> AsyncIterator[Shops]:
    async with aiohttp.ClientSession() as session:
        metrics = ServiceMetrics("transformers", CollectorRegistry())
        shops = Shops(ShopifyClients(connections, session, metrics=metrics, clock=SystemClock()), settings())
        yield shops
        await shops.close()


async def test_a_shop_is_made_once(shops: Shops) -> None:
    assert await shops.of("good") is await shops.of("good")


async def test_a_connection_nobody_knows_is_tried_later(shops: Shops) -> None:
    with pytest.raises(RetryLater, match="stranger"):
        await shops.of("stranger")


async def test_credentials_that_cannot_work_stop_their_own_shop_only(shops: Shops) -> None:
    with pytest.raises(TargetDown, match="bad: the Shopify credentials"):
        await shops.of("bad")
    assert await shops.of("good")


async def test_a_changed_connection_gets_a_new_shop(shops: Shops, connections: Connections) -> None:
    before = await shops.of("good")
    connections.replace([Connection("good", {"shopify": GOOD}, {"shopify": {"order": {"read_back": False}}})])

    after = await shops.of("good")

    assert (before.read_back, after.read_back) == (True, False)


async def test_live_orders_and_others_are_read_in_batches_of_their_own(shops: Shops) -> None:
    shop = await shops.of("good")

    assert len({id(reader) for reader in shop.readers.values()}) == 3
