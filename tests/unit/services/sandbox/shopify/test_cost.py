"""Query cost: worst case before, real cost after, a bucket between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from services.sandbox.shopify.endpoint import Endpoint
from services.sandbox.shopify.shop import Shop
from tests.unit.services.sandbox.shopify.builders import an_order
from tests.unit.services.sandbox.shopify.conftest import SleepingClock

VARIANTS = "query($n: Int!) { products(first: $n) { nodes { id title } } }"
IDS = """query($ids: [ID!]!) { nodes(ids: $ids) { ... on Order {
  name customer { firstName } totalPriceSet { shopMoney { amount } } } } }"""


def cost(shop: Shop, query: str, **variables: Any) -> dict[str, Any]:
    result, _ = Endpoint(shop).run({"query": query, "variables": variables})
    found: dict[str, Any] = result["extensions"]["cost"]
    return found


@pytest.mark.parametrize(
    ("query", "variables", "expected"),
    [
        pytest.param("{ shop { name } }", {}, 1, id="an object"),
        pytest.param("{ shop { plan { publicDisplayName } } }", {}, 1, id="a value without id"),
        pytest.param(VARIANTS, {"n": 1}, 3, id="a page of one"),
        pytest.param(VARIANTS, {"n": 250}, 13, id="a page of 250"),
        pytest.param(IDS, {"ids": ["gid://shopify/Order/1"] * 20}, 40, id="each id"),
        pytest.param("query($n: Int = 10) { products(first: $n) { nodes { id } } }", {}, 7, id="a default"),
        pytest.param(
            '{ product(id: "gid://shopify/Product/1") { variants(first: 250) { nodes { inventoryItem { id } } } } }',
            {},
            25,
            id="what an integrator published",
        ),
        pytest.param(
            'mutation { tagsAdd(id: "gid://shopify/Order/1", tags: []) { node { id } } }', {}, 10, id="a mutation"
        ),
    ],
)
def test_requested_cost(shop: Shop, query: str, variables: dict[str, Any], expected: int) -> None:
    assert cost(shop, query, **variables)["requestedQueryCost"] == expected


def test_the_older_rule_counts_every_row(shop: Shop) -> None:
    shop.options.cost_model = "linear"

    assert cost(shop, VARIANTS, n=250)["requestedQueryCost"] == 252


def test_unused_cost_is_given_back(shop: Shop, clock: SleepingClock) -> None:
    shop.take(an_order())
    before = shop.bucket.status()["currentlyAvailable"]

    found = cost(shop, IDS, ids=["gid://shopify/Order/5001", *["gid://shopify/Order/404"] * 9])

    assert found["requestedQueryCost"] == 20
    assert found["actualQueryCost"] == 2
    assert found["throttleStatus"]["currentlyAvailable"] == before - 2


def test_a_query_above_the_maximum_is_refused(shop: Shop) -> None:
    result, _ = Endpoint(shop).run({"query": IDS, "variables": {"ids": ["gid://shopify/Order/1"] * 501}})

    assert result["errors"][0]["extensions"]["code"] == "MAX_COST_EXCEEDED"
    assert "data" not in result


def test_an_empty_bucket_throttles_until_it_is_refilled(open_shop: Callable[..., Shop], clock: SleepingClock) -> None:
    endpoint = Endpoint(open_shop(sandbox_plan="standard"))
    body = {"query": IDS, "variables": {"ids": ["gid://shopify/Order/5001"] * 400}}
    endpoint._shop.take(an_order())
    answers = [endpoint.run(body)[0] for _ in range(4)]

    throttled = next(answer for answer in answers if "errors" in answer)
    assert throttled["errors"][0]["extensions"]["code"] == "THROTTLED"
    assert throttled["extensions"]["cost"]["actualQueryCost"] is None
    assert throttled["extensions"]["cost"]["throttleStatus"]["restoreRate"] == 100
    clock.advance(10)
    assert "data" in endpoint.run(body)[0]


def test_the_unlimited_plan_is_never_throttled(shop: Shop) -> None:
    shop.options.plan = "unlimited"
    shop.fill_bucket()
    endpoint = Endpoint(shop)

    answers = [
        endpoint.run({"query": IDS, "variables": {"ids": ["gid://shopify/Order/1"] * 900}})[0] for _ in range(30)
    ]

    assert all("data" in answer for answer in answers)
