"""Every GraphQL document we send, with its variables, against Shopify's published schemas; its scopes and its cost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from graphql import (
    FieldNode,
    GraphQLInputObjectType,
    NoDeprecatedCustomRule,
    OperationDefinitionNode,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    get_named_type,
    get_nullable_type,
    parse,
    validate,
    visit,
)
from graphql.execution.values import get_variable_values

from shared.connectors.shopify import subscription_documents
from shared.connectors.shopify.document import Document
from shared.connectors.shopify.subscription_documents import SUBSCRIPTION_DOCUMENTS
from shared.connectors.shopify.subscriptions import graphql_topic
from shared.entities.fulfilment.shopify import documents as fulfilment_documents
from shared.entities.fulfilment.shopify.documents import FULFILMENT_DOCUMENTS, FULFILMENT_SCOPES
from shared.entities.order.shopify import changed_orders, documents
from shared.entities.order.shopify.changed_orders import LIST_CHANGED_ORDERS
from shared.entities.order.shopify.documents import (
    LINK_DOCUMENTS,
    LINK_SCOPES,
    ORDER_DOCUMENTS,
    ORDER_SCOPES,
    READ_ORDERS,
)
from shared.entities.table import webhooks
from tests.support.sandbox import open_sandbox
from tests.support.shop_server import sandbox_client
from tests.support.shopify_schema import VERSIONS, introspection, published

ALL = (*ORDER_DOCUMENTS, *FULFILMENT_DOCUMENTS, *LINK_DOCUMENTS, LIST_CHANGED_ORDERS, *SUBSCRIPTION_DOCUMENTS)
ORDER = "gid://shopify/Order/5001"
SUBSCRIPTION = "gid://shopify/WebhookSubscription/7"
SUBSCRIBED = {"uri": "https://hooks.example.com/webhooks/shopify/main", "name": "tillbridge-main", "format": "JSON"}
PAGE = {"id": ORDER, "after": "cursor"}

# What each document is sent with.
VARIABLES: dict[str, list[dict[str, Any]]] = {
    "ListChangedOrders": [
        {"first": 100, "after": None, "query": "updated_at:>='2026-11-20T00:00:00Z'"},
        {"first": 100, "after": "cursor", "query": "updated_at:>='2026-11-20T00:00:00Z'"},
    ],
    "ReadShipped": [{"ids": [ORDER]}],
    "ReadOrders": [{"ids": [ORDER, "gid://shopify/Order/5002"]}],
    "ReadOrderLines": [PAGE, {"id": ORDER, "after": None}],
    "ReadOrderShipping": [PAGE],
    "ReadOrderMetafields": [PAGE],
    "ReadOrderTransactions": [{"id": ORDER}],
    "ReadOrderRefunds": [{"id": ORDER}],
    "ReadRefundLines": [{"id": "gid://shopify/Refund/3001", "after": None}],
    "ReadFulfilmentOrders": [{"id": ORDER}, PAGE],
    "ReadFulfilmentOrderLines": [{"id": "gid://shopify/FulfillmentOrder/1", "after": "cursor"}],
    "ReadFulfilments": [{"id": ORDER}],
    "ReadFulfilmentLines": [{"id": "gid://shopify/Fulfillment/3", "after": "cursor"}],
    "UpdateTracking": [
        {
            "fulfilment": "gid://shopify/Fulfillment/3",
            "tracking": {"company": "UPS", "number": "1Z", "url": "https://track.example.com/1Z"},
            "notify": True,
        }
    ],
    "CreateFulfilment": [
        {
            "fulfillment": {
                "notifyCustomer": False,
                "trackingInfo": {"company": "UPS", "number": "1Z", "url": "https://track.example.com/1Z"},
                "lineItemsByFulfillmentOrder": [
                    {
                        "fulfillmentOrderId": "gid://shopify/FulfillmentOrder/1",
                        "fulfillmentOrderLineItems": [
                            {"id": "gid://shopify/FulfillmentOrderLineItem/2", "quantity": 1}
                        ],
                    }
                ],
            }
        }
    ],
    "ListSubscriptions": [{"after": None}, {"after": "cursor"}],
    "CreateSubscription": [
        {"topic": graphql_topic(topic), "subscription": SUBSCRIBED} for topic in webhooks("shopify")
    ],
    "UpdateSubscription": [{"id": SUBSCRIPTION, "subscription": {**SUBSCRIBED, "filter": "", "includeFields": []}}],
    "DeleteSubscription": [{"id": SUBSCRIPTION}],
    "SetMetafields": [
        {
            "metafields": [
                {
                    "ownerId": ORDER,
                    "namespace": "tillbridge",
                    "key": "k",
                    "value": "v",
                    "type": "single_line_text_field",
                }
            ]
        }
    ],
}


def name_of(document: Document) -> str:
    return document.name


every_document = pytest.mark.parametrize("document", ALL, ids=name_of)
every_version = pytest.mark.parametrize("version", VERSIONS)


def test_every_document_stands_in_its_list_and_bears_its_own_name() -> None:
    found = {
        value.name
        for module in (changed_orders, documents, fulfilment_documents, subscription_documents)
        for value in vars(module).values()
        if isinstance(value, Document)
    }

    assert found == {document.name for document in ALL} == set(VARIABLES)
    for document in ALL:
        assert f"{'mutation' if document.mutates else 'query'} {document.name}(" in document.text


@pytest.mark.capability("S40")
@every_version
@every_document
def test_it_is_valid_and_uses_nothing_deprecated(document: Document, version: str) -> None:
    parsed = parse(document.text)

    assert validate(published(version), parsed) == []
    assert validate(published(version), parsed, [NoDeprecatedCustomRule]) == []


@every_version
@every_document
def test_its_variables_are_accepted_and_none_is_deprecated(document: Document, version: str) -> None:
    schema = published(version)
    (operation,) = (d for d in parse(document.text).definitions if isinstance(d, OperationDefinitionNode))
    definitions = operation.variable_definitions or ()
    for variables in VARIABLES[document.name]:
        given: Any = get_variable_values(schema, definitions, variables)

        assert not (given if isinstance(given, list) else getattr(given, "errors", None))
        for definition in definitions:
            named = definition.type
            while hasattr(named, "type"):
                named = named.type
            kind = schema.type_map[named.name.value]  # type: ignore[attr-defined]
            assert not list(deprecated(kind, variables.get(definition.variable.name.value)))


def deprecated(kind: Any, value: Any) -> Iterator[str]:
    """Names of deprecated input fields that `value` uses."""
    kind = get_named_type(get_nullable_type(kind))
    if isinstance(value, list):
        for entry in value:
            yield from deprecated(kind, entry)
    elif isinstance(value, dict) and isinstance(kind, GraphQLInputObjectType):
        for name, inner in value.items():
            if kind.fields[name].deprecation_reason:
                yield f"{kind.name}.{name}"
            yield from deprecated(kind.fields[name].type, inner)


# Scopes


class Asked(Visitor):
    """Collects what a document touches: its fields as (type, field), and the types they return."""

    def __init__(self, info: TypeInfo) -> None:
        super().__init__()
        self.info = info
        self.fields: set[tuple[str, str]] = set()
        self.types: set[str] = set()

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        parent, kind = self.info.get_parent_type(), self.info.get_type()
        assert parent is not None
        assert kind is not None
        self.fields.add((parent.name, node.name.value))
        self.types.add(get_named_type(kind).name)


def needed(version: str, document: Document) -> list[frozenset[str]]:
    """Alternatives: one of each set of scopes is needed."""
    info = TypeInfo(published(version))
    asked = Asked(info)
    visit(parse(document.text), TypeInfoVisitor(info, asked))
    return [
        frozenset(entry["offlineScopes"])
        for entry in introspection(version)["offline_scopes"]["items"]
        if entry["offlineScopes"]
        and (
            (entry["typeName"], entry.get("fieldName")) in asked.fields
            or (entry["type"] == "type" and entry["typeName"] in asked.types)
        )
    ]


def granted(scopes: frozenset[str]) -> frozenset[str]:
    """Writing implies reading."""
    return scopes | {scope.replace("write_", "read_", 1) for scope in scopes}


@every_version
@pytest.mark.parametrize(
    ("some", "scopes"),
    [
        ((*ORDER_DOCUMENTS, LIST_CHANGED_ORDERS), ORDER_SCOPES),
        (LINK_DOCUMENTS, LINK_SCOPES),
        (FULFILMENT_DOCUMENTS, FULFILMENT_SCOPES),
    ],
    ids=["orders", "links", "fulfilments"],
)
def test_the_scopes_we_ask_for_are_enough(some: tuple[Document, ...], scopes: frozenset[str], version: str) -> None:
    missing = {
        document.name: sorted(alternatives)
        for document in some
        for alternatives in needed(version, document)
        if not alternatives & granted(scopes)
    }

    assert missing == {}


@every_version
def test_no_scope_is_asked_for_in_vain_to_read_orders(version: str) -> None:
    for scope in ORDER_SCOPES:
        rest = granted(ORDER_SCOPES - {scope})
        assert any(
            not alternatives & rest for document in ORDER_DOCUMENTS for alternatives in needed(version, document)
        )


# Cost


@pytest.mark.parametrize(("model", "orders"), [("log", 30), ("linear", 20)])
async def test_an_order_is_cheap_enough_to_read_many_at_a_time(model: str, orders: int) -> None:
    async with open_sandbox(sandbox_cost_model=model) as sandbox:
        client = sandbox_client(sandbox)
        await client.execute(READ_ORDERS, {"ids": [ORDER]})

        assert client.max_units(READ_ORDERS) >= orders
