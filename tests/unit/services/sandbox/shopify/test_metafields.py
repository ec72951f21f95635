"""metafieldsSet: up to 25, all or none."""

from __future__ import annotations

from typing import Any

import pytest

from services.sandbox.shopify.shop import Shop
from tests.unit.services.sandbox.shopify.builders import an_order
from tests.unit.services.sandbox.shopify.conftest import Ask, SleepingClock

Json = dict[str, Any]
SET = """mutation($m: [MetafieldsSetInput!]!) { metafieldsSet(metafields: $m) {
  metafields { namespace key value type ownerType compareDigest } userErrors { field message code elementIndex } } }"""


def a_field(**fields: Any) -> Json:
    row = {"ownerId": "gid://shopify/Order/5001", "namespace": "tillbridge", "key": "order_id", "value": "77"}
    return {**row, "type": "single_line_text_field", **fields}


def put(ask: Ask, *rows: Json) -> Json:
    found: Json = ask(SET, m=list(rows))["metafieldsSet"]
    return found


@pytest.fixture(autouse=True)
def order(shop: Shop) -> Json:
    return shop.take(an_order())


def test_a_metafield_is_set_and_read_back(ask: Ask) -> None:
    answer = put(ask, a_field())

    assert answer["userErrors"] == []
    assert answer["metafields"][0]["ownerType"] == "ORDER"
    query = """{ order(id: "gid://shopify/Order/5001") { metafield(namespace: "tillbridge", key: "order_id") { value }
        metafields(first: 5, namespace: "tillbridge") { nodes { key value } } } }"""
    assert ask(query)["order"] == {
        "metafield": {"value": "77"},
        "metafields": {"nodes": [{"key": "order_id", "value": "77"}]},
    }


def test_setting_one_touches_the_order_and_is_announced(
    ask: Ask, order: Json, announced: list[Any], clock: SleepingClock
) -> None:
    clock.advance(30)

    put(ask, a_field(), a_field(key="order_number", value="S-1001"))

    assert [topic for topic, _ in announced] == ["orders/updated"]
    assert order["rest"]["updated_at"] == "2026-11-20T05:00:30-05:00"


def test_setting_the_same_again_touches_nothing(ask: Ask, order: Json, announced: list[Any]) -> None:
    put(ask, a_field())
    before = order["rest"]["updated_at"]

    put(ask, a_field())

    assert len(announced) == 1
    assert order["rest"]["updated_at"] == before


def test_touching_can_be_switched_off(ask: Ask, shop: Shop, announced: list[Any]) -> None:
    shop.options.metafield_touches_order = False

    put(ask, a_field())

    assert announced == []


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        pytest.param({"ownerId": "gid://shopify/Order/404"}, "INVALID", "ownerId", id="no such owner"),
        pytest.param({"value": ""}, "BLANK", "value", id="empty"),
        pytest.param({"type": None}, "BLANK", "type", id="no type"),
        pytest.param({"type": "poem"}, "INCLUSION", "type", id="no such type"),
        pytest.param({"type": "number_integer", "value": "7.5"}, "INVALID_VALUE", "value", id="not of the type"),
        pytest.param({"value": "a\nb"}, "INVALID_VALUE", "value", id="two lines"),
        pytest.param({"key": "k"}, "TOO_SHORT", "key", id="short key"),
        pytest.param({"namespace": "n" * 256}, "TOO_LONG", "namespace", id="long namespace"),
        pytest.param({"compareDigest": "other"}, "STALE_OBJECT", "compareDigest", id="changed meanwhile"),
    ],
)
def test_one_invalid_row_rejects_all(ask: Ask, order: Json, fields: Json, code: str, field: str) -> None:
    answer = put(ask, a_field(), a_field(**{"key": "other", **fields}))

    assert answer["metafields"] is None
    (error,) = answer["userErrors"]
    assert (error["code"], error["elementIndex"], error["field"]) == (code, 1, ["metafields", "1", field])
    assert order["metafields"] == []


def test_more_than_25_are_rejected(ask: Ask) -> None:
    answer = put(ask, *(a_field(key=f"key_{number}") for number in range(26)))

    assert answer["userErrors"][0]["code"] == "LESS_THAN_OR_EQUAL_TO"


def test_a_null_digest_requires_a_missing_metafield(ask: Ask) -> None:
    first = put(ask, a_field(compareDigest=None))
    again = put(ask, a_field(compareDigest=None))
    known = put(ask, a_field(value="78", compareDigest=first["metafields"][0]["compareDigest"]))

    assert first["userErrors"] == []
    assert again["userErrors"][0]["code"] == "STALE_OBJECT"
    assert known["metafields"][0]["value"] == "78"


def test_other_owners_have_metafields_too(ask: Ask) -> None:
    owners = ("Customer/4001", "Product/8001", "ProductVariant/7001", "Location/61000000001", "Shop/1")

    answer = put(ask, *(a_field(ownerId=f"gid://shopify/{owner}") for owner in owners))

    assert answer["userErrors"] == []
    query = '{ customer(id: "gid://shopify/Customer/4001") { metafields(first: 5) { nodes { value } } } }'
    assert ask(query)["customer"]["metafields"]["nodes"] == [{"value": "77"}]
    found = ask('{ orderByIdentifier(identifier: {customId: {namespace: "a", key: "b", value: "c"}}) { id } }')
    assert found == {"orderByIdentifier": None}


def test_an_order_is_found_by_a_metafield(ask: Ask) -> None:
    put(ask, a_field())
    wanted = '{customId: {namespace: "tillbridge", key: "order_id", value: "77"}}'

    assert ask(f"{{ orderByIdentifier(identifier: {wanted}) {{ name }} }}") == {"orderByIdentifier": {"name": "#1001"}}
