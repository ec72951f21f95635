"""Computes query cost: 1 per object, 0 per scalar, by page size per connection, 10 per mutation.

Shopify documents the principle, not the formula. Taken from answers that integrators published: money, attributes and
other values without an id are free, a plain list counts as one object, and a page of 250 counts about eleven times,
not 250 times ("log"); "linear" is the older, dearer rule. `nodes(ids:)` counts each id.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
)

MUTATION_COST: Final = 10.0
CONNECTION_COST: Final = 2.0
MOST: Final = 1000.0
Factor = Callable[[int], float]


def by_logarithm(size: int) -> float:
    return float(max(1, round(2 * math.log(size)))) if size > 0 else 0.0


FACTORS: Final[Mapping[str, Factor]] = {"log": by_logarithm, "linear": float}


@dataclass(slots=True)
class Item:
    """A field with a cost, and its subfields.

    `size` is the page size, or the name of the variable that holds it.
    """

    key: str
    own: float
    size: int | str | None = None
    is_connection: bool = False
    ids: str = ""
    below: list[Item] = field(default_factory=list)


def items(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode) -> list[Item]:
    """The cost tree of a document, computed once; `requested` and `actual` evaluate it."""
    fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
    walk = _Walk(schema, fragments)
    root = schema.get_root_type(operation.operation)
    found = walk.below(operation.selection_set, root)
    if operation.operation.value == "mutation":
        for item in found:
            item.own, item.below = MUTATION_COST, []
    return found


class _Walk:
    def __init__(self, schema: GraphQLSchema, fragments: dict[str, FragmentDefinitionNode]) -> None:
        self._schema, self._fragments = schema, fragments

    def below(self, selections: SelectionSetNode | None, parent: Any) -> list[Item]:
        found: list[Item] = []
        for node in selections.selections if selections else ():
            if isinstance(node, FieldNode):
                found += self._field(node, parent)
                continue
            inner: Any = self._fragments[node.name.value] if isinstance(node, FragmentSpreadNode) else node
            condition = inner.type_condition
            kind = self._schema.get_type(condition.name.value) if condition else parent
            found += self.below(inner.selection_set, kind)
        return found

    def _field(self, node: FieldNode, parent: Any) -> list[Item]:
        if node.selection_set is None or not isinstance(parent, (GraphQLObjectType, GraphQLInterfaceType)):
            return []
        kind = get_named_type(parent.fields[node.name.value].type)
        key = (node.alias or node.name).value
        item = Item(key, self._own(kind), below=self.below(node.selection_set, kind))
        if kind.name.endswith("Connection"):
            item.own, item.is_connection, item.size = CONNECTION_COST, True, _size(node, ("first", "last"))
        elif node.name.value == "nodes" and any(a.name.value == "ids" for a in node.arguments or ()):
            item.ids = _ids_variable(node)
        return [item] if item.own or item.below else []

    def _own(self, kind: Any) -> float:
        if isinstance(kind, GraphQLUnionType):
            return max(map(self._own, kind.types))
        has_id = isinstance(kind, (GraphQLObjectType, GraphQLInterfaceType)) and "id" in kind.fields
        return 1.0 if has_id else 0.0


def _size(node: FieldNode, names: tuple[str, ...]) -> int | str | None:
    for argument in node.arguments or ():
        if argument.name.value in names and isinstance(argument.value, VariableNode):
            return argument.value.name.value
        if argument.name.value in names and isinstance(argument.value, IntValueNode):
            return int(argument.value.value)
    return None


def _ids_variable(node: FieldNode) -> str:
    """The variable that holds the ids; for a literal list, its length."""
    value: Any = next(a.value for a in node.arguments or () if a.name.value == "ids")
    return value.name.value if isinstance(value, VariableNode) else f"#{len(getattr(value, 'values', ()))}"


def requested(found: list[Item], variables: Mapping[str, Any], factor: Factor) -> float:
    """The worst case: every page is full, every object exists."""
    return sum(_requested(item, variables, factor) for item in found)


def _requested(item: Item, variables: Mapping[str, Any], factor: Factor) -> float:
    below = requested(item.below, variables, factor)
    if item.is_connection:
        return item.own + factor(_number(item.size, variables)) * below
    if item.ids:
        return _count(item.ids, variables) * (item.own + below)
    return item.own + below


def _number(size: int | str | None, variables: Mapping[str, Any]) -> int:
    value = variables.get(size) if isinstance(size, str) else size
    return value if isinstance(value, int) else 1


def _count(ids: str, variables: Mapping[str, Any]) -> int:
    return int(ids[1:]) if ids.startswith("#") else len(variables.get(ids) or ())


def actual(found: list[Item], data: Any, factor: Factor) -> float:
    """The cost of the objects in the answer."""
    if not isinstance(data, dict):
        return 0.0
    return sum(_actual(item, data.get(item.key), factor) for item in found)


def _actual(item: Item, value: Any, factor: Factor) -> float:
    if value is None or item.own == MUTATION_COST:
        return item.own if item.own == MUTATION_COST else 0.0
    if item.is_connection:
        return item.own + _page(item, value, factor)
    if item.ids:
        return sum(item.own + actual(item.below, row, factor) for row in value if row is not None)
    if isinstance(value, list):
        return item.own + max((actual(item.below, row, factor) for row in value), default=0.0)
    return item.own + actual(item.below, value, factor)


def _page(item: Item, value: Any, factor: Factor) -> float:
    """The number of rows times the cost of the most expensive one."""
    total = 0.0
    for below in item.below:
        rows = value.get(below.key) if isinstance(value, dict) else None
        if isinstance(rows, list) and rows:
            total += factor(len(rows)) * max(_actual(below, row, factor) for row in rows)
    return total
