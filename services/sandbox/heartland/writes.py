"""Creates and updates records: validates kinds, required fields, links, uniqueness and custom fields."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from services.sandbox.heartland import timestamps
from services.sandbox.heartland.account import Heartland
from services.sandbox.heartland.decimal_json import is_number
from services.sandbox.heartland.rejection import invalid
from services.sandbox.heartland.schema import Kind, Resource
from services.sandbox.heartland.table import Row

EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
LARGEST_NUMBER: Final = 10**12
SCALARS: Final = (str, int, Decimal, type(None))


def create(account: Heartland, table: str, body: Row, parent: int | None = None, **own: Any) -> Row:
    """Creates a record from the request body and the server's `own` values. Raises Rejection."""
    resource = account[table].resource
    row = build(account, resource, body, own)
    if "public_id" in row and row["public_id"] is None:
        row["public_id"] = _free_number(account, table)
    account[table].insert(row, parent)
    return row


def build(account: Heartland, resource: Resource, body: Row, own: Row) -> Row:
    """Validates and builds a record without storing it."""
    given = clean(account, resource, body)
    now = account.now()
    row = {"id": 0, **dict.fromkeys(resource.fields), **resource.defaults, **given, **own}
    for name in resource.required:
        if row.get(name) in (None, ""):
            raise invalid(name, "is required")
    if "custom" in resource.fields:
        row["custom"] = merged_custom(account, {}, body)
        require_custom(account, resource, row)
    check_unique(account, resource, row, row)
    back_dated = resource.back_dated
    row["created_at"] = given.get("created_at", now) if back_dated else now
    row["updated_at"] = given.get("updated_at", now) if back_dated else now
    return row


def update(account: Heartland, table: str, number: int, body: Row, **own: Any) -> Row:
    """Changes the fields in the body only. Raises Rejection and then changes nothing."""
    resource, row = account[table].resource, account[table].rows[number]
    changes = clean(account, resource, body) | own
    for name in ("created_at", "updated_at"):
        changes.pop(name, None)
    for name in resource.required:
        if name in changes and changes[name] in (None, ""):
            raise invalid(name, "is required")
    if "custom" in resource.fields and _names_custom(body):
        changes["custom"] = merged_custom(account, row.get("custom") or {}, body)
    check_unique(account, resource, row | changes, changes, number)
    return account[table].change(number, changes | {"updated_at": account.now()})


def clean(account: Heartland, resource: Resource, body: Row) -> Row:
    """The writable fields of a body, validated; unknown fields are silently ignored."""
    given: Row = {}
    for name, value in body.items():
        kind = resource.fields.get(name)
        if kind is None or name in resource.read_only or name in ("id", "custom"):
            continue
        given[name] = None if value is None else _of_kind(name, kind, value)
        if value is not None and name in resource.links and value not in account[resource.links[name]].rows:
            raise invalid(name, "does not exist")
    if given.get("email") is not None and not EMAIL.fullmatch(given["email"]):
        raise invalid("email", "is not an e-mail address")
    return given


def merged_custom(account: Heartland, old: Row, body: Row) -> Row:
    """Custom fields after a write: `custom@key` sets one key; a nested object is merged or replaces all."""
    nested = body.get("custom", {})
    if nested is not None and not isinstance(nested, dict):
        raise invalid("custom", "must be an object")
    replaces = account.flags.custom_replaces and "custom" in body
    merged = {} if replaces else dict(old)
    merged.update(nested or {})
    merged.update({k.removeprefix("custom@"): v for k, v in body.items() if k.startswith("custom@")})
    for key, value in merged.items():
        if not isinstance(value, SCALARS):
            raise invalid(f"custom@{key}", "must be a single value")
    return {key: value for key, value in merged.items() if value is not None}


def require_custom(account: Heartland, resource: Resource, row: Row) -> None:
    # Orders and invoices are checked when they are opened or completed, not while they are pending.
    if resource.custom_group != "sales.transaction":
        missing_custom(account, resource.custom_group, [row])


def missing_custom(account: Heartland, group: str, rows: Iterable[Row]) -> None:
    """Raises Rejection if a record lacks a required custom field."""
    for key in account.required_custom(group):
        if any((row.get("custom") or {}).get(key) in (None, "") for row in rows):
            raise invalid(f"custom@{key}", "is required")


def check_unique(account: Heartland, resource: Resource, row: Row, changes: Row, own: int | None = None) -> None:
    names = [*resource.unique]
    if resource.name == "orders" and account.flags.unique_order_public_id:
        names.append("public_id")
    for name in names:
        if name in changes and row.get(name) is not None:
            _check_not_taken(account[resource.name].equal_to(name, row[name]), name, own)
    if "custom" in changes and resource.custom_group:
        for key in account.unique_custom(resource.custom_group):
            if key in row["custom"]:
                _check_not_taken(account[resource.name].equal_to(f"custom@{key}", str(row["custom"][key])), key, own)


def _check_not_taken(found: Iterable[int], name: str, own: int | None) -> None:
    if any(number != own for number in found):
        raise invalid(name, "has already been taken")


def _names_custom(body: Row) -> bool:
    return any(name == "custom" or name.startswith("custom@") for name in body)


def _free_number(account: Heartland, table: str) -> str:
    text = str(account[table].next_id())
    while account[table].equal_to("public_id", text):
        text += "-1"
    return text


def _of_kind(name: str, kind: Kind, value: Any) -> Any:
    problem = PROBLEMS[kind](value)
    if problem:
        raise invalid(name, problem)
    if kind == "text" and name == "public_id":
        return value.strip() or None
    if kind == "time":
        return timestamps.parse(value)
    return value


def _no_time(value: Any) -> str:
    try:
        timestamps.parse(value)
    except (ValueError, TypeError):
        return "is not a time"
    return ""


def _no_number(value: Any) -> str:
    if not is_number(value):
        return "is not a number"
    return "" if abs(value) < LARGEST_NUMBER else "is out of range"


def _no_money(value: Any) -> str:
    problem = _no_number(value)
    if problem:
        return problem
    return "" if Decimal(value) == round(Decimal(value), 2) else "has more than two decimals"


PROBLEMS: Final[Mapping[Kind, Callable[[Any], str]]] = {
    "int": lambda value: "" if isinstance(value, int) and not isinstance(value, bool) else "is not a whole number",
    "money": _no_money,
    "number": _no_number,
    "text": lambda value: "" if isinstance(value, str) else "is not a text",
    "flag": lambda value: "" if isinstance(value, bool) else "is not true or false",
    "time": _no_time,
    "json": lambda value: "",
}
