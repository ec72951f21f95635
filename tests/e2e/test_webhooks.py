"""The shop stops telling us of orders: the subscriptions come back by themselves, and so do the orders."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from deploy.local.engine import Engine
from services.sandbox.demo import orders as demo_orders
from shared.state.alerts import AlertRow, Alerts
from tests.support.engine import fresh_database, new_prefix
from tests.support.stack import Bridge, open_bridge

pytestmark = pytest.mark.timeout(180)
TOPICS = 12
SEED = 23


@pytest.fixture(scope="module")
async def own(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bridge]:
    """A system that subscribes by itself, and looks after that every second."""
    async with fresh_database(engine.database_url) as url:
        given = {
            "KAFKA_BOOTSTRAP_SERVERS": engine.bootstrap_servers,
            "DATABASE_URL": url,
            "TOPIC_PREFIX": new_prefix(),
            "SUBSCRIPTION_CHECK_SECONDS": "1",
        }
        async with open_bridge(tmp_path_factory.mktemp("webhooks"), given, subscribes=True) as opened:
            yield opened
            await opened.faults()


async def subscribed(bridge: Bridge) -> bool:
    return len((await bridge.control("GET", "/shopify/subscriptions"))["subscriptions"]) == TOPICS


async def recreated(bridge: Bridge) -> AlertRow | None:
    rows = await Alerts(bridge.database).list()
    return next((row for row in rows if row.kind == "subscription_recreated"), None)


async def delivered(bridge: Bridge, order: str) -> bool:
    return any(row["outcome"] == "delivered" for row in await bridge.deliveries(order))


@pytest.mark.capability("S41")
async def test_orders_of_the_time_without_subscriptions_arrive_once_these_are_back(own: Bridge) -> None:
    await own.until("all subscriptions", lambda: subscribed(own))
    told = await own.post(demo_orders.order(SEED, 9101, datetime.now(UTC)))
    await own.in_heartland(told)

    # As after hours in which nobody took its webhooks; and nobody notices yet.
    await own.faults({"system": "shopify", "kind": "outage", "operation": "ListSubscriptions"})
    await own.control("DELETE", "/shopify/subscriptions")
    missed = [await own.post(demo_orders.order(SEED, number, datetime.now(UTC))) for number in (9102, 9103, 9104)]
    assert [await own.deliveries(order) for order in missed] == [[], [], []]
    await own.faults()

    for order in missed:
        await own.in_heartland(order)
    assert await subscribed(own)
    alert = await own.until("the alert", lambda: recreated(own))
    assert int(alert.details["orders"]) >= len(missed)
    assert (await own.hop(missed[0], "poller", "received")).detail == "shopify.orders/repair"


async def test_the_next_order_is_told_again(own: Bridge) -> None:
    await own.until("all subscriptions", lambda: subscribed(own))
    order = await own.post(demo_orders.order(SEED, 9105, datetime.now(UTC)))
    await own.in_heartland(order)

    await own.until("a webhook that was taken", lambda: delivered(own, order))
    assert (await own.hop(order, "ingress", "received")).detail.startswith("shopify.orders/")
