"""Selects the records of a query: candidates from the smallest index, then the remaining conditions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from services.sandbox.heartland import timestamps
from services.sandbox.heartland.query import Condition, Group, Query, Where
from services.sandbox.heartland.rejection import bad_request
from services.sandbox.heartland.schema import Resource
from services.sandbox.heartland.table import Row, Table

Matches = Callable[[Row], bool]


@dataclass(frozen=True)
class Candidates:
    """At most `size` ids that may match, listed lazily. `exact`: all of them match."""

    size: int
    ids: Callable[[], Iterable[int]]
    exact: bool = False


def select(table: Table, query: Query, within: Collection[int] | None, hidden: set[int]) -> list[int]:
    """The ids of all matching records, sorted; `within` limits them to a parent's children.

    Raises Rejection.
    """
    condition = typed(query.condition, table.resource)
    candidates = narrow(condition, table)
    ids: Iterable[int] = table.ids if within is None else within
    used = None
    if candidates is not None and (within is None or candidates.size < len(within)):
        used = candidates
        keep = None if within is None else set(within)
        ids = [number for number in candidates.ids() if keep is None or number in keep]
    matches = None if used is not None and used.exact else predicate(condition)
    return _sorted(table, _remaining(table, ids, matches, hidden, query.text.lower()), query)


def _remaining(table: Table, ids: Iterable[int], matches: Matches | None, hidden: set[int], text: str) -> list[int]:
    rows = table.rows
    found = ids if isinstance(ids, list) else list(ids)
    if matches is not None and matches is not everything:
        found = [number for number in found if matches(rows[number])]
    if hidden:
        found = [number for number in found if number not in hidden]
    if text:
        found = [number for number in found if _has_text(table.resource, rows[number], text)]
    return found


def typed(condition: Condition, resource: Resource) -> Condition:
    """The condition with values converted to their field's kind.

    Raises Rejection for an unfilterable field.
    """
    if isinstance(condition, Group):
        return Group(tuple(typed(part, resource) for part in condition.parts), condition.any)
    kind = "custom" if condition.field.startswith("custom@") else resource.fields.get(condition.field)
    if kind is None or kind == "json" or condition.field in resource.unfilterable:
        raise bad_request(f"Cannot filter by {condition.field}")
    if condition.operator in ("$in", "$nin"):
        values = condition.value if isinstance(condition.value, list) else [condition.value]
        return Where(condition.field, condition.operator, [_of_kind(condition.field, kind, value) for value in values])
    return Where(condition.field, condition.operator, _of_kind(condition.field, kind, condition.value))


def narrow(condition: Condition, table: Table) -> Candidates | None:
    """The smallest candidate set from an index; None if every record must be tested."""
    if isinstance(condition, Where):
        return _narrow_test(condition, table)
    parts = [narrow(part, table) for part in condition.parts]
    known = [part for part in parts if part is not None]
    if not condition.any:
        best = min(known, key=lambda part: part.size, default=None)
        # With a single part, nothing is left to test.
        return best if best is None or len(parts) == 1 else Candidates(best.size, best.ids)
    if len(known) < len(parts) or not parts:
        return None
    return Candidates(sum(part.size for part in known), lambda: {n for part in known for n in part.ids()})


def _narrow_test(test: Where, table: Table) -> Candidates | None:
    if test.operator in ("$gt", "$gte", "$lt", "$lte"):
        if test.value is None:
            return None
        span = table.span(test.field, test.operator, test.value)
        return None if span is None else Candidates(*span, exact=True)
    if not table.is_indexed(test.field) or test.operator not in ("$eq", "$in"):
        return None
    values = test.value if test.operator == "$in" else [test.value]
    if test.field.startswith("custom@") and None in values:
        return None  # a missing key has no entry in the index
    found = [table.equal_to(test.field, value) for value in values]
    if len(found) == 1:
        return Candidates(len(found[0]), lambda: found[0], exact=True)
    return Candidates(sum(map(len, found)), lambda: {number for ids in found for number in ids})


def everything(_: Row) -> bool:
    """The predicate of an empty filter."""
    return True


def predicate(condition: Condition) -> Matches:
    if isinstance(condition, Where):
        read, compare, value = reader(condition.field), COMPARISONS[condition.operator], condition.value
        return lambda row: compare(read(row), value)
    parts = [predicate(part) for part in condition.parts]
    if condition.any:
        return lambda row: any(part(row) for part in parts)
    if not parts:
        return everything
    first, *rest = parts
    for part in rest:
        first = _both(first, part)
    return first


def _both(one: Matches, other: Matches) -> Matches:
    return lambda row: one(row) and other(row)


def reader(field: str) -> Callable[[Row], Any]:
    if not field.startswith("custom@"):
        return lambda row: row.get(field)
    key = field.removeprefix("custom@")

    def read(row: Row) -> str | None:
        value = (row.get("custom") or {}).get(key)
        return None if value is None else str(value)

    return read


COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "$eq": lambda ours, value: bool(ours == value),
    "$neq": lambda ours, value: bool(ours != value),
    "$gt": lambda ours, value: ours is not None and value is not None and bool(ours > value),
    "$gte": lambda ours, value: ours is not None and value is not None and bool(ours >= value),
    "$lt": lambda ours, value: ours is not None and value is not None and bool(ours < value),
    "$lte": lambda ours, value: ours is not None and value is not None and bool(ours <= value),
    "$in": lambda ours, value: ours in value,
    "$nin": lambda ours, value: ours not in value,
}


def _of_kind(field: str, kind: str, value: Any) -> Any:
    if value is None or isinstance(value, (dict, list)):
        if value is None:
            return None
        raise bad_request(f"The value for {field} must be a single value")
    try:
        return _converted(field, kind, value)
    except (ValueError, InvalidOperation):
        raise bad_request(f"{value!r} is not a valid value for {field}") from None


def _converted(field: str, kind: str, value: Any) -> Any:
    if kind == "int":
        return int(value)
    if kind in ("money", "number"):
        return Decimal(str(value))
    if kind == "time":
        return timestamps.wall(str(value)) if field.startswith("local_") else timestamps.parse(str(value))
    if kind == "flag":
        return {"true": True, "1": True, "false": False, "0": False}.get(str(value).lower(), value)
    return str(value)


def _has_text(resource: Resource, row: Row, text: str) -> bool:
    return not text or any(text in str(row.get(name) or "").lower() for name in resource.searched)


def _sorted(table: Table, ids: list[int], query: Query) -> list[int]:
    if not query.sort or query.sort == (("id", False),):
        return ids if ids is table.ids else sorted(ids)
    ordered = sorted(ids)
    for field, descending in reversed(query.sort):
        if field.startswith("custom@") or field in table.resource.fields:
            read = reader(field)
            ordered.sort(key=lambda n, read=read: _key(read(table.rows[n])), reverse=descending)  # type: ignore[misc]
        else:
            raise bad_request(f"Cannot sort by {field}")
    return ordered


def _key(value: Any) -> tuple[bool, Any]:
    return (value is not None, value if value is not None else 0)
