"""Webhooks: who gets them, and what happens when they do not arrive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson
import pytest
from aiohttp import web

from services.sandbox.shopify.shop import Shop
from services.sandbox.shopify.signing import body_of, signature
from services.sandbox.shopify.webhooks import Delivery
from tests.unit.services.sandbox.shopify.builders import an_order
from tests.unit.services.sandbox.shopify.conftest import Ask, SleepingClock

SUBSCRIBE = """mutation($uri: String!, $topic: WebhookSubscriptionTopic! = ORDERS_CREATE, $fields: [String!]) {
  webhookSubscriptionCreate(topic: $topic, webhookSubscription: {uri: $uri, includeFields: $fields, name: "ours"}) {
  webhookSubscription { id topic uri apiVersion { handle } } userErrors { field message } } }"""


class Receiver:
    """Notes what arrives and answers as it was told."""

    def __init__(self) -> None:
        self.heard: list[tuple[dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        self.heard.append(({name.lower(): value for name, value in request.headers.items()}, await request.read()))
        return web.Response(status=self.statuses.pop(0) if self.statuses else 200)

    def headers(self, name: str) -> list[str]:
        return [headers[name] for headers, _ in self.heard]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    found = Receiver()
    app = web.Application()
    app.router.add_post("/{path:.*}", found.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = "http://{}:{}".format(*runner.addresses[0][:2])
    yield found
    await runner.cleanup()


@pytest.fixture
async def sending(shop: Shop, receiver: Receiver) -> AsyncIterator[Shop]:
    """The shop, with its app's own webhooks going to the receiver."""
    shop.webhooks.base_url = receiver.url
    yield shop
    await shop.world.close()


async def settled(shop: Shop) -> list[Delivery]:
    """All deliveries, once none is under way."""
    while shop.world._tasks:
        await asyncio.wait(list(shop.world._tasks))
    return list(shop.webhooks.log)


async def test_a_webhook_is_signed_and_addressed(sending: Shop, receiver: Receiver) -> None:
    doc = sending.take(an_order(order_status_url="https://a.test/x?b=1&c=2", note="café"))

    sending.announce(doc, ("orders/create",))
    (delivery,) = await settled(sending)

    headers, body = receiver.heard[0]
    assert delivery.outcome == "delivered"
    assert delivery.url.endswith("/webhooks/shopify/main")
    assert headers["x-shopify-topic"] == "orders/create"
    assert headers["x-shopify-shop-domain"] == "sandbox.myshopify.com"
    assert headers["x-shopify-hmac-sha256"] == signature(body, "sandbox-client-secret")
    assert rb"https:\/\/a.test\/x?b=1\u0026c=2" in body
    assert "café".encode() in body
    assert orjson.loads(body) == doc["rest"]


def test_the_published_vector() -> None:
    assert (
        signature(b'{"foo":"bar"}', "7008c5f4da4718b9b45d26d3fcbbb157")
        == "+R9TwYM4mbLTk3hEAOBkpA7zW2lc9vNFmVKs2u2jtyY="
    )


def test_escaped_bytes_are_those_of_the_vector() -> None:
    body = body_of({"id": 820982911946154508, "note": "café — rôti", "url": "https://a.test/x?b=1&c=2"})

    assert signature(body, "hush") == "Rw/DI0a1r6GLKYHcMqOn6pdCMf8lzVoI+b06rgAxqoA="


async def test_one_action_shares_an_event_id(sending: Shop, receiver: Receiver) -> None:
    sending.announce(sending.take(an_order()), ("orders/create", "orders/paid"))
    await settled(sending)

    assert len(set(receiver.headers("x-shopify-event-id"))) == 1
    assert len(set(receiver.headers("x-shopify-webhook-id"))) == 2


async def test_topics_without_a_subscription_are_not_sent(sending: Shop) -> None:
    assert sending.announce(sending.take(an_order()), ("orders/fulfilled",)) == []


async def test_a_retry_carries_the_same_id_and_the_same_bytes(
    sending: Shop, receiver: Receiver, clock: SleepingClock
) -> None:
    receiver.statuses = [500, 301]
    doc = sending.take(an_order())

    sending.announce(doc, ("orders/create",))
    doc["rest"]["note"] = "changed meanwhile"
    (delivery,) = await settled(sending)

    assert (delivery.attempts, delivery.outcome, delivery.status) == (3, "delivered", 200)
    assert len(set(receiver.headers("x-shopify-webhook-id"))) == 1
    assert len({body for _, body in receiver.heard}) == 1
    assert clock.slept == [1, 2]


async def test_eight_retries_and_no_more(sending: Shop, receiver: Receiver, clock: SleepingClock) -> None:
    receiver.statuses = [503] * 20

    sending.announce(sending.take(an_order()), ("orders/create",))
    (delivery,) = await settled(sending)

    assert (delivery.attempts, delivery.outcome) == (9, "failed")
    assert clock.slept == [1, 2, 4, 8, 16, 32, 64, 128]


async def test_an_unreachable_receiver_counts_as_a_failure(sending: Shop, receiver: Receiver) -> None:
    sending.options.webhook_retry_seconds = "1"
    sending.webhooks.base_url = "http://127.0.0.1:9"

    sending.announce(sending.take(an_order()), ("orders/create",))
    (delivery,) = await settled(sending)

    assert (delivery.attempts, delivery.status, delivery.outcome) == (2, None, "failed")


async def test_a_subscription_of_the_api_gets_its_topic(shop: Shop, receiver: Receiver, ask: Ask) -> None:
    made = ask(SUBSCRIBE, uri=f"{receiver.url}/mine", fields=["id", "note"])["webhookSubscriptionCreate"]

    shop.announce(shop.take(an_order(note="hello")), ("orders/create", "orders/updated"))
    await settled(shop)
    await shop.world.close()

    assert made["userErrors"] == []
    assert made["webhookSubscription"]["apiVersion"] == {"handle": "2026-10"}
    assert [orjson.loads(body) for _, body in receiver.heard] == [{"id": 5001, "note": "hello"}]
    assert receiver.headers("x-shopify-name") == ["ours"]


async def test_an_api_subscription_is_removed_after_eight_failures(shop: Shop, receiver: Receiver, ask: Ask) -> None:
    ask(SUBSCRIBE, uri=receiver.url)
    receiver.statuses = [500] * 9

    shop.announce(shop.take(an_order()), ("orders/create",))
    await settled(shop)
    await shop.world.close()

    assert ask("{ webhookSubscriptions(first: 5) { nodes { id } } }")["webhookSubscriptions"]["nodes"] == []


@pytest.mark.parametrize(
    ("uri", "message"),
    [("http://shop.test/x", "not supported"), ("https://taken.test", "already been taken")],
)
def test_addresses_are_checked(ask: Ask, uri: str, message: str) -> None:
    ask(SUBSCRIBE, uri="https://taken.test")

    assert message in ask(SUBSCRIBE, uri=uri)["webhookSubscriptionCreate"]["userErrors"][0]["message"]


def test_subscriptions_are_changed_and_deleted(ask: Ask) -> None:
    number = ask(SUBSCRIBE, uri="https://one.test")["webhookSubscriptionCreate"]["webhookSubscription"]["id"]
    change = """mutation($id: ID!) {
        webhookSubscriptionUpdate(id: $id, webhookSubscription: {uri: "https://two.test"}) {
        webhookSubscription { uri topic } userErrors { message } } }"""
    delete = """mutation($id: ID!) { webhookSubscriptionDelete(id: $id) {
        deletedWebhookSubscriptionId userErrors { message } } }"""

    changed = ask(change, id=number)["webhookSubscriptionUpdate"]["webhookSubscription"]
    deleted = ask(delete, id=number)["webhookSubscriptionDelete"]
    again = ask(delete, id=number)["webhookSubscriptionDelete"]

    assert changed == {"uri": "https://two.test", "topic": "ORDERS_CREATE"}
    assert deleted == {"deletedWebhookSubscriptionId": number, "userErrors": []}
    assert again["userErrors"] == [{"message": "Webhook subscription does not exist"}]


@pytest.mark.parametrize(
    ("fault", "arrivals"),
    [({"kind": "drop"}, 0), ({"kind": "duplicate"}, 2), ({"kind": "delay", "seconds": 30}, 1)],
    ids=["dropped", "twice", "late"],
)
async def test_faults(sending: Shop, receiver: Receiver, fault: dict[str, Any], arrivals: int) -> None:
    sending.world.faults.replace([{"system": "webhooks", "operation": "orders/create", **fault}])

    sending.announce(sending.take(an_order()), ("orders/create",))
    (delivery,) = await settled(sending)

    assert len(receiver.heard) == arrivals
    assert delivery.fault == fault["kind"]
    assert len(set(receiver.headers("x-shopify-webhook-id"))) == min(arrivals, 1)


async def test_a_reordered_webhook_arrives_after_the_next_one(sending: Shop, receiver: Receiver) -> None:
    sending.world.faults.replace([{"system": "webhooks", "kind": "reorder", "times": 1}])
    doc = sending.take(an_order())

    sending.announce(doc, ("orders/create",))
    sending.announce(doc, ("orders/updated",))
    await settled(sending)

    assert receiver.headers("x-shopify-topic") == ["orders/updated", "orders/create"]


async def test_header_names_come_in_any_case(sending: Shop, open_shop: Callable[..., Shop]) -> None:
    seen = set()
    for _ in range(40):
        delivery = Delivery("w", "e", "orders/create", "#1", "http://x", "now")
        seen |= {
            name for name in sending.webhooks._headers(delivery, b"{}", "2026-10", None) if "topic" in name.lower()
        }

    assert seen == {"X-Shopify-Topic", "x-shopify-topic"}


async def test_bodies_can_have_undocumented_fields(sending: Shop, receiver: Receiver) -> None:
    sending.options.unknown_fields = True

    sending.announce(sending.take(an_order()), ("orders/create",))
    await settled(sending)

    assert "brand_new_field" in orjson.loads(receiver.heard[0][1])
