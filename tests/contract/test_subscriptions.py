"""Our sync of webhook subscriptions against the sandbox's shop: whatever is there, it comes right, and stays."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from shared.connectors.shopify.client import ShopifyClient
from shared.connectors.shopify.subscription_documents import CREATE_SUBSCRIPTION, UPDATE_SUBSCRIPTION
from shared.connectors.shopify.subscriptions import (
    DesiredSubscriptions,
    Keep,
    Subscription,
    desired_subscriptions,
    execute_steps,
    is_ours,
    plan,
    read_subscriptions,
)
from shared.entities.table import webhooks
from tests.support.sandbox import Sandbox, open_sandbox
from tests.support.shop_server import sandbox_client

DESIRED = desired_subscriptions("https://hooks.example.com", "main", webhooks("shopify"))
ELSEWHERE = "https://old.example.com/webhooks/shopify/main"


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with open_sandbox() as opened:
        yield opened


@pytest.fixture
def client(sandbox: Sandbox) -> ShopifyClient:
    return sandbox_client(sandbox)


async def make(client: ShopifyClient, topic: str, uri: str, **more: Any) -> None:
    answer = await client.execute(CREATE_SUBSCRIPTION, {"topic": topic, "subscription": {"uri": uri, **more}})
    assert not answer["webhookSubscriptionCreate"]["userErrors"]


async def apply(client: ShopifyClient, desired: DesiredSubscriptions = DESIRED) -> list[Subscription]:
    done = await execute_steps(plan(desired, await read_subscriptions(client.execute)), desired, client.execute)
    assert not done.refused
    return await read_subscriptions(client.execute)


async def test_all_are_made_and_a_second_time_nothing_is_left_to_do(client: ShopifyClient) -> None:
    found = await apply(client)

    assert sorted(row.topic for row in found) == sorted(DESIRED.topics)
    assert all(isinstance(step, Keep) for step in plan(DESIRED, found))


@pytest.mark.capability("S41")
async def test_moved_spoilt_and_double_ones_come_right_and_others_stay(client: ShopifyClient) -> None:
    await make(client, "ORDERS_CREATE", ELSEWHERE, name=DESIRED.name)
    await make(client, "ORDERS_CREATE", DESIRED.uri)
    await make(client, "ORDERS_PAID", DESIRED.uri, format="XML", includeFields=["id"])
    await make(client, "ORDERS_PAID", "https://others.example.com/hook", name="theirs")
    await make(client, "PRODUCTS_UPDATE", DESIRED.uri)
    found = await apply(client)

    assert sorted(row.topic for row in found if is_ours(row, DESIRED)) == sorted(DESIRED.topics)
    assert [row.uri for row in found if not is_ours(row, DESIRED)] == ["https://others.example.com/hook"]
    assert all(isinstance(step, Keep) for step in plan(DESIRED, found))


async def test_a_new_address_is_taken_over_by_what_is_there(client: ShopifyClient) -> None:
    before = {row.topic: row.id for row in await apply(client)}
    after = await apply(client, desired_subscriptions("https://new.example.com", "main", webhooks("shopify")))

    assert {row.topic: row.id for row in after} == before
    assert {row.uri for row in after} == {"https://new.example.com/webhooks/shopify/main"}


async def test_all_pages_of_many_are_read(client: ShopifyClient) -> None:
    for number in range(60):
        await make(client, "ORDERS_CREATE", f"https://others.example.com/{number}")

    assert len(await read_subscriptions(client.execute)) == 60


async def test_a_filter_that_somebody_set_is_taken_away(client: ShopifyClient) -> None:
    [first, *_] = await apply(client)
    await client.execute(UPDATE_SUBSCRIPTION, {"id": first.id, "subscription": {"filter": "id:1"}})
    assert any(row.filter for row in await read_subscriptions(client.execute))

    assert not any(row.filter for row in await apply(client))


async def test_the_sandbox_gives_subscriptions_up_when_told(sandbox: Sandbox, client: ShopifyClient) -> None:
    await apply(client)
    await sandbox.control("DELETE", "/shopify/subscriptions?topic=ORDERS_PAID")
    rows = (await sandbox.control("GET", "/shopify/subscriptions"))["subscriptions"]
    assert len(rows) == len(DESIRED.topics) - 1
    assert {row["uri"] for row in rows} == {DESIRED.uri}

    assert await sandbox.control("DELETE", "/shopify/subscriptions") == {"dropped": len(DESIRED.topics) - 1}
    assert await read_subscriptions(client.execute) == []
