"""The operation names that faults match."""

from __future__ import annotations

import pytest

from services.sandbox.answers import graphql_name


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b'{"query": "query ReadOrders($ids: [ID!]!) { nodes(ids: $ids) { id } }"}', "ReadOrders"),
        (b'{"query": "mutation Set { a { id } } query Other { b }", "operationName": "Other"}', "Other"),
        (b'{"query": "{ shop { name } }"}', "shop"),
        (b'{"query": "{ alias: orders(first: 1) { nodes { id } } }"}', "orders"),
        (b'{"query": "mutation { tagsAdd(id: 1) { node { id } } }"}', "tagsAdd"),
        (b"not json", ""),
        (b"[]", ""),
        (b"{}", ""),
    ],
)
def test_a_graphql_call_is_known_by_its_operation_or_first_field(body: bytes, name: str) -> None:
    assert graphql_name(body) == name
