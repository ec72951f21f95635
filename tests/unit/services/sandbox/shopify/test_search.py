"""Search syntax."""

from __future__ import annotations

from typing import Any

import pytest

from services.sandbox.shopify.search import matcher
from services.sandbox.shopify.shop import Shop
from services.sandbox.shopify.timestamps import seconds
from tests.unit.services.sandbox.shopify.builders import an_order
from tests.unit.services.sandbox.shopify.conftest import Ask, SleepingClock

FIELDS: Any = {
    "name": lambda row: [row["name"]],
    "tag": lambda row: row["tags"],
    "updated_at": lambda row: [seconds(row["at"])],
}
ROWS = [
    {"name": "#1001", "tags": ["vip", "web order"], "at": "2026-11-20T10:00:00Z"},
    {"name": "#1002", "tags": ["web order"], "at": "2026-11-20T11:00:00Z"},
    {"name": "#1003", "tags": [], "at": "2026-11-20T12:00:00Z"},
]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "123"),
        (None, "123"),
        ("name:#1002", "2"),
        ("tag:VIP", "1"),
        ("tag:'web order'", "12"),
        ('tag:"web order" -tag:vip', "2"),
        ("NOT tag:vip", "23"),
        ("updated_at:>='2026-11-20T11:00:00Z'", "23"),
        ("updated_at:>'2026-11-20T10:00:00Z' AND updated_at:<'2026-11-20T12:00:00Z'", "2"),
        ("updated_at:>=2026-11-20T06:00:00-05:00", "23"),
        ("name:#1001 OR name:#1003", "13"),
        ("(name:#1001 OR name:#1002) tag:vip", "1"),
        ("name:#10*", "123"),
        ("colour:red", "123"),
        ("1003", "3"),
    ],
)
def test_queries(query: str | None, expected: str) -> None:
    fits = matcher(query, FIELDS, lambda row: [str(row["name"])])

    assert "".join(row["name"][-1] for row in ROWS if fits(row)) == expected


def test_orders_since_a_time_come_oldest_first_and_page_through(shop: Shop, ask: Ask, clock: SleepingClock) -> None:
    for number in range(7):
        at = f"2026-11-20T0{number}:00:00-05:00"
        shop.take(an_order(id=5001 + number, name=f"#{number}", created_at=at, updated_at=at))
    query = """query($after: String) { orders(first: 2, after: $after, sortKey: UPDATED_AT,
        query: "updated_at:>='2026-11-20T07:00:00Z'") { nodes { name } pageInfo { hasNextPage endCursor } } }"""
    names, after, more = [], None, True
    while more:
        found = ask(query, after=after)["orders"]
        names += [node["name"] for node in found["nodes"]]
        more, after = found["pageInfo"]["hasNextPage"], found["pageInfo"]["endCursor"]

    assert names == ["#2", "#3", "#4", "#5", "#6"]


def test_a_page_is_stable_when_a_record_changes(shop: Shop, ask: Ask) -> None:
    for number in range(4):
        at = f"2026-11-20T0{number}:00:00-05:00"
        shop.take(an_order(id=5001 + number, name=f"#{number}", created_at=at, updated_at=at))
    query = """query($after: String) { orders(first: 2, after: $after, sortKey: UPDATED_AT) {
        nodes { name } pageInfo { endCursor } } }"""
    first = ask(query)["orders"]

    ask('mutation { tagsAdd(id: "gid://shopify/Order/5001", tags: ["x"]) { userErrors { message } } }')
    second = ask(query, after=first["pageInfo"]["endCursor"])["orders"]

    assert [node["name"] for node in second["nodes"]] == ["#2", "#3"]


def test_the_newest_come_first_in_reverse(shop: Shop, ask: Ask) -> None:
    for number in range(4):
        at = f"2026-11-20T0{number}:00:00-05:00"
        shop.take(an_order(id=5001 + number, name=f"#{number}", created_at=at, updated_at=at))
    query = """query($after: String) { orders(first: 2, after: $after, sortKey: CREATED_AT, reverse: true) {
        nodes { name } pageInfo { hasNextPage hasPreviousPage endCursor } } }"""
    first = ask(query)["orders"]
    second = ask(query, after=first["pageInfo"]["endCursor"])["orders"]

    assert [node["name"] for node in first["nodes"] + second["nodes"]] == ["#3", "#2", "#1", "#0"]
    assert second["pageInfo"]["hasNextPage"] is False
    assert second["pageInfo"]["hasPreviousPage"] is True


def test_without_the_permission_old_orders_are_not_visible(shop: Shop, ask: Ask) -> None:
    shop.take(an_order(created_at="2026-01-01T00:00:00Z"))
    shop.take(an_order(id=5002))
    shop.options.scopes = "read_orders"

    assert [node["id"] for node in ask("{ orders(first: 5) { nodes { id } } }")["orders"]["nodes"]] == [
        "gid://shopify/Order/5002"
    ]
    assert ask('{ order(id: "gid://shopify/Order/5001") { id } }') == {"order": None}


def test_lists_lag_with_stale_reads(shop: Shop, ask: Ask, clock: SleepingClock) -> None:
    shop.take(an_order())
    shop.world.faults.replace([{"system": "shopify", "kind": "stale_reads", "seconds": 10}])

    assert ask("{ orders(first: 5) { nodes { id } } }")["orders"]["nodes"] == []
    assert ask('{ order(id: "gid://shopify/Order/5001") { name } }')["order"] == {"name": "#1001"}
    clock.advance(11)
    assert len(ask("{ orders(first: 5) { nodes { id } } }")["orders"]["nodes"]) == 1
