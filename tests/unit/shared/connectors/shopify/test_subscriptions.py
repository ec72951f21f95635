"""What is done about subscriptions: one of ours per topic, and nobody else's touched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.connectors.shopify.document import Document
from shared.connectors.shopify.subscription_sync import missed_webhooks
from shared.connectors.shopify.subscriptions import (
    Create,
    Delete,
    DesiredSubscriptions,
    Keep,
    Step,
    Subscription,
    Update,
    desired_subscriptions,
    execute_steps,
    graphql_topic,
    is_correct,
    is_ours,
    plan,
    read_subscriptions,
)
from shared.entities.table import webhooks
from shared.errors import TargetDown

URI = "https://hooks.example.com/webhooks/shopify/main"
DESIRED = DesiredSubscriptions(URI, "tillbridge-main", ("ORDERS_CREATE",))
GOOD = Subscription("1", "ORDERS_CREATE", URI, "tillbridge-main")
MOVED = replace(GOOD, uri="https://old.example.com/webhooks/shopify/main")
FOREIGN = Subscription("9", "ORDERS_CREATE", "https://others.example.com/hook", "theirs")


def test_the_address_is_the_connections_own() -> None:
    desired = desired_subscriptions("https://hooks.example.com/", "main", webhooks("shopify"))

    assert (desired.uri, desired.name) == (URI, "tillbridge-main")
    assert "ORDER_TRANSACTIONS_CREATE" in desired.topics


@pytest.mark.parametrize(
    ("found", "steps"),
    [
        pytest.param([], [Create("ORDERS_CREATE")], id="none is there"),
        pytest.param([GOOD], [Keep("ORDERS_CREATE", GOOD)], id="it is there"),
        pytest.param([FOREIGN], [Create("ORDERS_CREATE")], id="others' do not count"),
        pytest.param([MOVED], [Update("ORDERS_CREATE", MOVED)], id="it leads elsewhere"),
        pytest.param(
            [MOVED, GOOD],
            [Delete("ORDERS_CREATE", MOVED), Keep("ORDERS_CREATE", GOOD)],
            id="of two the right one stays",
        ),
        pytest.param(
            [replace(GOOD, topic="SHOP_UPDATE"), GOOD],
            [Delete("SHOP_UPDATE", replace(GOOD, topic="SHOP_UPDATE")), Keep("ORDERS_CREATE", GOOD)],
            id="nobody reads that topic",
        ),
    ],
)
def test_what_is_done_about_what_is_found(found: list[Subscription], steps: list[Step]) -> None:
    assert plan(DESIRED, found) == steps


@pytest.mark.parametrize(
    "spoilt",
    [{"format": "XML"}, {"filter": "id:1"}, {"include_fields": ("id",)}, {"name": ""}],
    ids=["XML", "filtered", "some fields only", "without our name"],
)
def test_one_at_our_address_that_does_not_send_all_is_corrected(spoilt: dict[str, Any]) -> None:
    found = replace(GOOD, **spoilt)

    assert plan(DESIRED, [found]) == [Update("ORDERS_CREATE", found, has_our_uri=True)]


@pytest.mark.parametrize(
    ("step", "lost"),
    [
        (Create("ORDERS_CREATE"), True),
        (Update("ORDERS_CREATE", MOVED), True),
        (Update("ORDERS_CREATE", replace(GOOD, format="XML"), has_our_uri=True), True),
        (Update("ORDERS_CREATE", replace(GOOD, name=""), has_our_uri=True), False),
        (Delete("ORDERS_CREATE", GOOD), False),
        (Keep("ORDERS_CREATE", GOOD), False),
    ],
)
def test_webhooks_were_lost_where_none_led_to_us(step: Step, lost: bool) -> None:
    assert missed_webhooks(step) is lost


rows = st.builds(
    Subscription,
    id=st.uuids().map(str),
    topic=st.sampled_from(["ORDERS_CREATE", "ORDERS_PAID", "SHOP_UPDATE"]),
    uri=st.sampled_from([URI, MOVED.uri, FOREIGN.uri]),
    name=st.sampled_from(["tillbridge-main", "", "theirs"]),
    format=st.sampled_from(["JSON", "XML"]),
)


@given(st.lists(rows, max_size=8, unique_by=lambda row: (row.topic, row.uri)))
def test_whatever_is_there_it_comes_right_in_one_go_and_others_stay(found: list[Subscription]) -> None:
    desired = replace(DESIRED, topics=("ORDERS_CREATE", "ORDERS_PAID"))
    after = list(found)
    for step in plan(desired, found):
        match step:
            case Create(topic):
                after.append(Subscription(f"new {topic}", topic, desired.uri, desired.name))
            case Update(_, row):
                after[after.index(row)] = replace(row, uri=desired.uri, name=desired.name, format="JSON")
            case Delete(_, row):
                after.remove(row)
        addresses = [(row.topic, row.uri) for row in after]
        assert len(set(addresses)) == len(addresses), "Shopify takes an address once per topic"

    assert all(isinstance(step, Keep) for step in plan(desired, after))
    assert sorted(row.topic for row in after if is_ours(row, desired) and is_correct(row, desired)) == list(
        desired.topics
    )
    assert [row for row in found if not is_ours(row, desired)] == [row for row in after if not is_ours(row, desired)]


class Shop:
    """Answers each document with what the test says, and remembers what it was asked."""

    def __init__(self, *answers: Mapping[str, Any]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, Mapping[str, Any]]] = []

    async def execute(self, document: Document, variables: Mapping[str, Any]) -> Mapping[str, Any]:
        self.asked.append((document.name, variables))
        return self.answers.pop(0)


def node(row: Subscription) -> dict[str, Any]:
    return {
        "id": row.id,
        "topic": row.topic,
        "uri": row.uri,
        "name": row.name or None,
        "format": row.format,
        "filter": None,
        "includeFields": [],
        "apiVersion": {"handle": "2026-10"},
    }


def page(*found: Subscription, end: str | None = None) -> dict[str, Any]:
    info = {"hasNextPage": end is not None, "endCursor": end}
    return {"webhookSubscriptions": {"nodes": [node(row) for row in found], "pageInfo": info}}


async def test_all_pages_are_read() -> None:
    shop = Shop(page(GOOD, end="c"), page(FOREIGN))
    found = await read_subscriptions(shop.execute)

    assert [(row.id, row.api_version) for row in found] == [("1", "2026-10"), ("9", "2026-10")]
    assert [asked["after"] for _, asked in shop.asked] == [None, "c"]


@pytest.mark.parametrize("answer", [{}, {"webhookSubscriptions": None}, {"webhookSubscriptions": {"nodes": [{}]}}])
async def test_an_answer_of_another_shape_is_an_outage(answer: dict[str, Any]) -> None:
    with pytest.raises(TargetDown):
        await read_subscriptions(Shop(answer).execute)


async def test_what_shopify_refuses_is_told_and_the_rest_is_done() -> None:
    refusal = {"webhookSubscription": None, "userErrors": [{"field": ["topic"], "message": "not approved"}]}
    fine = {"webhookSubscription": {"id": "2"}, "userErrors": []}
    shop = Shop({"webhookSubscriptionCreate": refusal}, {"webhookSubscriptionCreate": fine})
    done = await execute_steps([Create("ORDERS_CREATE"), Create("ORDERS_PAID")], DESIRED, shop.execute)

    assert (done.created, done.refused) == (["ORDERS_PAID"], {"ORDERS_CREATE": "not approved"})


def test_topics_are_spelled_as_graphql_does() -> None:
    assert graphql_topic("order_transactions/create") == "ORDER_TRANSACTIONS_CREATE"
