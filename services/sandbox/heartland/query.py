"""Parses the query string of a collection, with its four notations of a filter."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from services.sandbox.heartland.rejection import bad_request

DEFAULT_PER_PAGE: Final = 20
OPERATORS: Final = frozenset({"$eq", "$neq", "$gt", "$gte", "$lt", "$lte", "$in", "$nin"})
BRACKETS: Final = re.compile(r"\[([^\]]*)\]")


@dataclass(frozen=True)
class Where:
    """One comparison; `operator` is one of OPERATORS, `value` is unconverted."""

    field: str
    operator: str
    value: Any


@dataclass(frozen=True)
class Group:
    """A conjunction of its parts, or (`any`) a disjunction."""

    parts: tuple[Condition, ...]
    any: bool = False


Condition = Where | Group


@dataclass(frozen=True)
class Query:
    condition: Group
    sort: tuple[tuple[str, bool], ...]  # field, descending
    only: tuple[str, ...]
    include: tuple[str, ...]
    page: int
    per_page: int | None  # None: all
    text: str


def parse(pairs: Iterable[tuple[str, str]], plain: Iterable[str], strict: bool = False) -> Query:
    """`plain` are the fields that can be filtered by as plain parameters. Raises Rejection."""
    parts: list[Condition] = []
    lists: dict[str, list[str]] = {"sort": [], "_only": [], "_include": []}
    single = {"page": "1", "per_page": str(DEFAULT_PER_PAGE), "query": ""}
    nested: dict[str, Any] = {}
    plain = frozenset(plain)
    for key, value in pairs:
        name = key.removesuffix("[]")
        if name in lists:
            lists[name].append(value)
        elif key in single:
            single[key] = value
        elif key == "_filter":
            parts.append(group(_json(value), strict))
        elif key.startswith(("_filter[", "~[")):
            _nest(nested, BRACKETS.findall(key), value)
        elif key in plain:
            parts.append(Where(key, "$eq", value))
    if nested:
        parts.append(group(nested, strict))
    return Query(
        Group(tuple(parts)),
        tuple(_sort(text) for text in lists["sort"]),
        tuple(lists["_only"]),
        tuple(lists["_include"]),
        _page(single["page"]),
        None if single["per_page"] == "all" else _page(single["per_page"]),
        single["query"],
    )


def group(filters: Any, strict: bool = False) -> Group:
    """Parses a filter document; a list means AND."""
    if isinstance(filters, list):
        return Group(tuple(group(part, strict) for part in filters))
    if not isinstance(filters, dict):
        raise bad_request("A filter is an object or a list of objects")
    parts: list[Condition] = []
    for name, value in filters.items():
        if name in ("$and", "$or"):
            if not isinstance(value, list):
                raise bad_request(f"{name} takes a list")
            parts.append(Group(tuple(group(part, strict) for part in value), any=name == "$or"))
        else:
            parts.extend(_tests(name, value, strict))
    return Group(tuple(parts))


def _tests(field: str, value: Any, strict: bool) -> list[Condition]:
    if not isinstance(value, dict):
        return [Where(field, "$eq", value)]
    found: list[Condition] = []
    for operator, operand in value.items():
        if operator in OPERATORS:
            found.append(Where(field, operator, operand))
        elif operator.startswith("$") or strict:
            raise bad_request(f"Unknown operator {operator} on {field}")
        # Heartland silently ignores an operator without $, so the caller gets unfiltered rows.
    return found


def _json(text: str) -> Any:
    try:
        return json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError):
        raise bad_request("_filter is not JSON") from None


def _nest(nested: dict[str, Any], path: list[str], value: str) -> None:
    """Adds `[price][$in][]=5` to `nested` as `{"price": {"$in": [5]}}`."""
    if not path or not path[0] or len(path) > 3 or any(part.isdigit() for part in path[1:]):
        raise bad_request("A filter in brackets must be [field], [field][$operator] or [field][$operator][]")
    if len(path) == 1:
        nested[path[0]] = value
        return
    tests = nested.setdefault(path[0], {})
    if not isinstance(tests, dict):
        raise bad_request(f"Two filters on {path[0]}")
    if len(path) == 3:
        tests.setdefault(path[1], []).append(value)
    else:
        tests[path[1]] = value


def _sort(text: str) -> tuple[str, bool]:
    name, _, direction = text.partition(",")
    return name, direction.lower() == "desc"


def _page(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise bad_request("page and per_page must be numbers from 1; per_page may be all")
    return int(text)
