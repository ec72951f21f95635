"""Executes GraphQL with graphql-core, with a fast path for the many small objects of an order.

graphql-core parses, validates, coerces variables and arguments, collects fields and runs the root fields. Only objects
are completed here, by a plan that is built once per selection set: response key, resolver and sub-plan of each field.
If a plan fails (an error, a null in a non-null field), graphql-core completes the object again, so that errors are its
own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from graphql import (
    GraphQLError,
    GraphQLField,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLResolveInfo,
    is_abstract_type,
    is_leaf_type,
)
from graphql.execution.executor import Executor
from graphql.execution.values import get_argument_values

Resolver = Callable[[Any, dict[str, Any]], Any]
Resolvers = Mapping[str, Mapping[str, Resolver]]
NO_ARGUMENTS: dict[str, Any] = {}


class PlanFailed(Exception):
    """A non-null field was null; graphql-core must complete the object."""


class Context:
    """The state that one request's resolvers share: the shop, and the document's plans."""

    def __init__(self, shop: Any, resolvers: Resolvers) -> None:
        self.shop = shop
        self.resolvers = resolvers
        self.plans: dict[tuple[str, int], Plan] = {}


def type_of(value: Any) -> str:
    """The name of the record's GraphQL type."""
    return str(value["__typename"] if isinstance(value, dict) else value.kind)


def resolve_type(value: Any, _info: GraphQLResolveInfo[Any], _abstract: Any) -> str:
    return type_of(value)


def resolve_field(source: Any, info: GraphQLResolveInfo[Any], **args: Any) -> Any:
    """The default resolver: the table's function, else the value of that name."""
    table: Mapping[str, Resolver] = info.context.resolvers.get(info.parent_type.name, {})
    found = table.get(info.field_name)
    if found is not None:
        return found(source, args)
    return source.get(info.field_name) if isinstance(source, dict) else getattr(source, info.field_name)


class Plan:
    """Completes objects of one type for one selection set of a document."""

    __slots__ = ("cells",)

    def __init__(self) -> None:
        # (response key, resolver or None, field name, arguments, sub-plan or None, depth of lists, may be null)
        self.cells: list[tuple[str, Resolver | None, str, dict[str, Any], Branch | None, int, bool]] = []

    def complete(self, source: Any) -> dict[str, Any]:
        result = {}
        for key, resolver, name, args, branch, depth, nullable in self.cells:
            value = source.get(name) if resolver is None else resolver(source, args)
            if value is None:
                if not nullable:
                    raise PlanFailed
            elif branch is not None:
                value = branch.complete(value) if depth == 0 else _completed(branch, value)
            result[key] = value
        return result


def _completed(branch: Branch, values: Any) -> list[Any]:
    # Lists of this schema contain no nulls, except nodes(ids:), a root field, which graphql-core completes.
    return [branch.complete(value) for value in values]


class Branch:
    """The plan of an object type, or one plan per concrete type of an interface or union."""

    __slots__ = ("_by_type", "_make", "_only")

    def __init__(self, make: Callable[[str], Plan], only: str | None) -> None:
        self._make = make
        self._by_type: dict[str, Plan] = {}
        self._only = make(only) if only else None

    def complete(self, value: Any) -> dict[str, Any]:
        if self._only is not None:
            return self._only.complete(value)
        name = type_of(value)
        plan = self._by_type.get(name)
        if plan is None:
            plan = self._by_type[name] = self._make(name)
        return plan.complete(value)


class PlanExecutor(Executor[Any]):
    """graphql-core's executor, which completes objects by plan."""

    def complete_object_value(
        self,
        return_type: GraphQLObjectType,
        field_details_list: Any,
        info: GraphQLResolveInfo[Any],
        path: Any,
        result: Any,
        position_context: Any,
    ) -> Any:
        try:
            return self._plan(return_type, field_details_list).complete(result)
        except (PlanFailed, GraphQLError):
            return super().complete_object_value(return_type, field_details_list, info, path, result, position_context)

    def _plan(self, kind: GraphQLObjectType, field_details_list: Any) -> Plan:
        context: Context = self.context_value
        key = (kind.name, id(field_details_list))
        plan = context.plans.get(key)
        if plan is None:
            plan = Plan()
            fields = self.collect_subfields(kind, field_details_list).grouped_field_set
            plan.cells = [self._cell(kind, name, details) for name, details in fields.items()]
            # The executor keeps the details list alive, so its id is not reused.
            context.plans[key] = plan
        return plan

    def _cell(
        self, kind: GraphQLObjectType, key: str, details: Any
    ) -> tuple[str, Resolver | None, str, dict[str, Any], Branch | None, int, bool]:
        node = details[0].node
        name = node.name.value
        if name == "__typename":
            return key, lambda _source, _args: kind.name, name, NO_ARGUMENTS, None, 0, False
        field = kind.fields[name]
        resolver = self.context_value.resolvers.get(kind.name, {}).get(name)
        return key, resolver, name, self._arguments(field, details), *self._shape(field, details)

    def _arguments(self, field: GraphQLField, details: Any) -> dict[str, Any]:
        if not field.args:
            return NO_ARGUMENTS
        return get_argument_values(field, details[0].node, self.variable_values, details[0].fragment_variable_values)

    def _shape(self, field: GraphQLField, details: Any) -> tuple[Branch | None, int, bool]:
        kind: Any = field.type
        nullable, depth = not isinstance(kind, GraphQLNonNull), 0
        while isinstance(kind, (GraphQLNonNull, GraphQLList)):
            depth += isinstance(kind, GraphQLList)
            kind = kind.of_type
        if is_leaf_type(kind):
            return None, 0, nullable

        def make(name: str) -> Plan:
            return self._plan(self.schema.type_map[name], details)  # type: ignore[arg-type]

        return Branch(make, None if is_abstract_type(kind) else kind.name), depth, nullable
