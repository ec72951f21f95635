"""A cache of parsed and validated GraphQL documents: a client sends the same few repeatedly."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLEnumType,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    build_schema,
    parse,
    validate,
)

from services.sandbox.shopify import cost

REMEMBERED: Final = 500
SDL: Final = Path(__file__).with_name("schema.graphql")


@cache
def load_schema() -> GraphQLSchema:
    """The supported part of Shopify's schema, parsed once.

    Enums output unknown members, as new API versions do.

    Nothing changes it afterwards, so all sandboxes of a process share it.
    """
    schema = build_schema(SDL.read_text(encoding="utf-8"), assume_valid=True)
    for kind in schema.type_map.values():
        if isinstance(kind, GraphQLEnumType) and not kind.name.startswith("__"):
            kind.coerce_output_value = _as_it_is  # type: ignore[assignment, method-assign]
    return schema


def _as_it_is(value: Any) -> str:
    return str(value)


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a valid document. `fields` are the names of its root fields."""

    document: DocumentNode
    node: OperationDefinitionNode
    is_mutation: bool
    fields: tuple[str, ...]
    cost_items: list[cost.Item]


class Documents:
    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema
        self._known: OrderedDict[tuple[str, str | None], Operation | list[GraphQLError]] = OrderedDict()

    def operation(self, text: str, name: str | None) -> Operation | list[GraphQLError]:
        """The operation to run, or validation errors."""
        key = (text, name)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._read(text, name)
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return found

    def _read(self, text: str, name: str | None) -> Operation | list[GraphQLError]:
        try:
            document = parse(text)
        except GraphQLSyntaxError as error:
            return [error]
        errors = validate(self._schema, document)
        return errors or self._choose(document, name)

    def _choose(self, document: DocumentNode, name: str | None) -> Operation | list[GraphQLError]:
        operations = [d for d in document.definitions if isinstance(d, OperationDefinitionNode)]
        chosen = [d for d in operations if name is None or (d.name and d.name.value == name)]
        if len(chosen) != 1:
            return [GraphQLError("An operation name is required" if chosen else f'No operation named "{name}"')]
        node = chosen[0]
        return Operation(
            document,
            node,
            node.operation.value == "mutation",
            tuple(s.name.value for s in node.selection_set.selections if isinstance(s, FieldNode)),
            cost.items(self._schema, document, node),
        )


def variables_of(body: Any) -> dict[str, Any]:
    found = body.get("variables")
    return found if isinstance(found, dict) else {}
