"""The fast path gives the same answers as graphql-core, errors included."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from graphql import execute_sync, parse

from services.sandbox.shopify.documents import load_schema
from services.sandbox.shopify.endpoint import Endpoint
from services.sandbox.shopify.executor import Context, PlanExecutor, resolve_field, resolve_type
from services.sandbox.shopify.resolvers import table
from services.sandbox.shopify.shop import Shop
from tests.support.samples import sample, sample_names
from tests.unit.services.sandbox.shopify.builders import a_line, an_order

SCHEMA = load_schema()
RESOLVERS = table(SCHEMA)
QUERY = """query($ids: [ID!]!, $n: Int! = 5, $with: Boolean! = true) { nodes(ids: $ids) { __typename id ... on Order {
  name tags totalPriceSet { shopMoney { amount } } again: totalPriceSet { presentmentMoney { currencyCode } }
  customer @include(if: $with) { displayName } taxLines { title rate }
  lineItems(first: $n) { pageInfo { hasNextPage endCursor } edges { cursor node { id sku variant { sku product { id } }
    discountAllocations { discountApplication { __typename index ... on DiscountCodeApplication { code }
      value { __typename ... on MoneyV2 { amount } } } } } } }
  transactions { kind parentTransaction { id } order { id } } metafields(first: 3) { nodes { key } }
  fulfillmentOrders(first: 2) { nodes { status lineItems(first: 9) { nodes { remainingQuantity } } } } } } }"""


def both(shop: Shop, query: str, **variables: Any) -> tuple[Any, Any]:
    """What graphql-core answers by itself, and what it answers with the short cut."""
    answers = []
    for executor in (None, PlanExecutor):
        context = Context(shop, RESOLVERS)
        result = execute_sync(
            SCHEMA,
            parse(query),
            root_value=context,
            context_value=context,
            variable_values=variables,
            field_resolver=resolve_field,
            type_resolver=resolve_type,
            executor_class=executor,
        )
        answers.append((result.data, [error.formatted for error in result.errors or ()]))
    return answers[0], answers[1]


@pytest.mark.parametrize("name", sample_names("shopify", "order_*.json"))
def test_real_orders_are_completed_alike(shop: Shop, name: str) -> None:
    shop.take(orjson.loads(sample("shopify", name))["order"])
    ids = [f"gid://shopify/Order/{entry.id}" for entry in shop.orders.entries()]

    plain, planned = both(shop, QUERY, ids=[*ids, "gid://shopify/Order/404"])

    assert plain == planned
    assert plain[1] == []


@pytest.mark.parametrize(
    "query",
    [
        '{ order(id: "gid://shopify/Order/5001") { name lineItems { nodes { id } } } }',
        '{ order(id: "gid://shopify/Order/5001") { lineItems(first: 500) { nodes { id } } } }',
        '{ order(id: "gid://shopify/Order/5001") { name customer { id } } }',
        '{ node(id: "nonsense") { id } shop { name } }',
        '{ order(id: "gid://shopify/Order/5001") { lineItems(first: 1, after: "x") { nodes { id } } } }',
    ],
    ids=["no page size", "page too large", "refused", "no global id", "bad cursor"],
)
def test_errors_are_the_same(shop: Shop, query: str) -> None:
    shop.take(an_order())
    shop.options.deny_customers = True

    plain, planned = both(shop, query)

    assert plain == planned
    assert plain[1]


def test_skipped_fields_are_skipped(shop: Shop) -> None:
    shop.take(an_order(line_items=[a_line(1), a_line(2)]))

    plain, planned = both(shop, QUERY, ids=["gid://shopify/Order/5001"], **{"with": False}, n=1)

    assert plain == planned
    assert "customer" not in plain[0]["nodes"][0]
    assert plain[0]["nodes"][0]["lineItems"]["pageInfo"]["hasNextPage"]


def test_a_field_error_keeps_the_rest_of_the_data(shop: Shop) -> None:
    shop.take(an_order())
    shop.options.deny_customers = True
    query = '{ order(id: "gid://shopify/Order/5001") { name customer { id } } }'

    result, _ = Endpoint(shop).run({"query": query})

    assert result["data"] == {"order": {"name": "#1001", "customer": None}}
    assert result["errors"][0]["extensions"] == {"code": "ACCESS_DENIED"}
    assert result["errors"][0]["path"] == ["order", "customer"]


def test_unknown_enum_members_can_be_served(shop: Shop) -> None:
    shop.take(an_order())
    shop.options.unknown_enums = True
    query = '{ order(id: "gid://shopify/Order/5001") { displayFinancialStatus } }'

    result, _ = Endpoint(shop).run({"query": query})

    assert result["data"]["order"] == {"displayFinancialStatus": "SOMETHING_NEW"}
