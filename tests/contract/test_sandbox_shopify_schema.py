"""Our SDL is a true part of Shopify's published schema, and our clients' documents are valid on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLUnionType,
    build_schema,
    is_required_argument,
    is_required_input_field,
    is_specified_directive,
    is_specified_scalar_type,
    parse,
    validate,
    validate_schema,
)

from services.sandbox.shopify.documents import SDL, load_schema
from shared.connectors.shopify import subscription_documents
from shared.entities.fulfilment.shopify import documents as fulfilment_documents
from shared.entities.order.shopify import documents
from tests.support.shopify_schema import VERSIONS, published


def differences(ours: GraphQLSchema, theirs: GraphQLSchema) -> Iterator[str]:
    """What of ours is not as it is there, in words."""
    for name, kind in ours.type_map.items():
        if name.startswith("__") or (isinstance(kind, GraphQLScalarType) and is_specified_scalar_type(kind)):
            continue
        other = theirs.type_map.get(name)
        if type(other) is not type(kind):
            yield f"{name}: {other and type(other).__name__}"
        else:
            yield from (f"{name}.{found}" for found in _of_type(kind, other))
    for directive in ours.directives:
        other_directive = theirs.get_directive(directive.name)
        if not is_specified_directive(directive):
            yield from _arguments(directive, other_directive, f"@{directive.name}")


def _of_type(ours: Any, theirs: Any) -> Iterator[str]:
    if isinstance(ours, GraphQLObjectType | GraphQLInterfaceType):
        yield from _fields(ours, theirs)
    elif isinstance(ours, GraphQLInputObjectType):
        yield from _inputs(ours, theirs)
    elif isinstance(ours, GraphQLEnumType):
        yield from (f"{value}: unknown member" for value in ours.values if value not in theirs.values)
        yield from (v for v in ours.values if _is_old(ours.values[v]) != _is_old(theirs.values.get(v)))
    elif isinstance(ours, GraphQLUnionType):
        yield from {kind.name for kind in ours.types} - {kind.name for kind in theirs.types}


def _fields(ours: Any, theirs: Any) -> Iterator[str]:
    yield from {kind.name for kind in ours.interfaces} - {kind.name for kind in theirs.interfaces}
    for name, field in ours.fields.items():
        other = theirs.fields.get(name)
        if other is None or str(other.type) != str(field.type) or _is_old(other) != _is_old(field):
            yield f"{name}: {field.type}, there {other and other.type}"
        else:
            yield from _arguments(field, other, name)


def _arguments(ours: Any, theirs: Any, place: str) -> Iterator[str]:
    for name, argument in ours.args.items():
        other = theirs.args.get(name) if theirs else None
        if other is None or str(other.type) != str(argument.type) or _is_old(other) != _is_old(argument):
            yield f"{place}({name}: {argument.type}), there {other and other.type}"
    for name, other in theirs.args.items() if theirs else ():
        if is_required_argument(other) and name not in ours.args:
            yield f"{place}: {name} is required there"


def _inputs(ours: Any, theirs: Any) -> Iterator[str]:
    if ours.is_one_of != theirs.is_one_of:
        yield "oneOf differs"
    for name, field in ours.fields.items():
        other = theirs.fields.get(name)
        if other is None or str(other.type) != str(field.type) or _is_old(other) != _is_old(field):
            yield f"{name}: {field.type}, there {other and other.type}"
    for name, other in theirs.fields.items():
        if is_required_input_field(other) and name not in ours.fields:
            yield f"{name} is required there"


def _is_old(part: Any) -> bool:
    return part is not None and part.deprecation_reason is not None


@pytest.mark.parametrize("version", VERSIONS)
def test_our_schema_is_a_true_part_of_the_published_one(version: str) -> None:
    ours = load_schema()

    assert validate_schema(ours) == []
    assert list(differences(ours, published(version))) == []


@pytest.mark.parametrize(
    ("line", "changed"),
    [
        ("  name: String!\n  number: Int!", "  name: String\n  number: Int!"),
        ("order(id: ID!): Order", "order(id: ID!, fast: Boolean): Order"),
        ("fulfillmentOrderId: ID!\n", "fulfillmentOrder: ID!\n"),
        ("enum OrderCancelReason {\n  CUSTOMER", "enum OrderCancelReason {\n  WHIM CUSTOMER"),
        ("  callbackUrl: URL! @deprecated", "  callbackUrl: URL! # "),
        ("input CustomerIdentifierInput @oneOf", "input CustomerIdentifierInput"),
        ("type OrderCancellation {", "type OrderCancellation implements Node {\n  id: ID!"),
    ],
    ids=["nullability", "argument", "required input", "member", "deprecation", "oneOf", "interface"],
)
def test_a_difference_is_noticed(line: str, changed: str) -> None:
    text = SDL.read_text(encoding="utf-8")
    assert line in text

    found = list(differences(build_schema(text.replace(line, changed, 1), assume_valid=True), published("2026-10")))

    assert len(found) >= 1


def our_documents() -> list[documents.Document]:
    known = {**vars(documents), **vars(fulfilment_documents), **vars(subscription_documents)}
    return [value for value in known.values() if isinstance(value, documents.Document)]


@pytest.mark.parametrize("document", our_documents(), ids=lambda document: document.name)
def test_the_sandbox_can_run_every_document_of_ours(document: documents.Document) -> None:
    assert validate(load_schema(), parse(document.text)) == []
