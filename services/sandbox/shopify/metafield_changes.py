"""The mutation metafieldsSet: sets up to 25 metafields atomically."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import orjson

from services.sandbox.shopify.graphql_errors import user_error
from services.sandbox.shopify.metafields import MetafieldView, Owner, digest, find, full_namespace, stored
from services.sandbox.shopify.money import Json, number
from services.sandbox.shopify.records import OrderView
from services.sandbox.shopify.shop import Shop
from services.sandbox.shopify.timestamps import moment, stamp

AT_ONCE: Final = 25
# An error: message, code, input field.
InputError = tuple[str, str, str]


def _is_json(value: str) -> bool:
    try:
        orjson.loads(value)
    except orjson.JSONDecodeError:
        return False
    return True


CHECKS: Final[dict[str, Callable[[str], bool]]] = {
    "single_line_text_field": lambda value: "\n" not in value,
    "multi_line_text_field": lambda value: True,
    "id": bool,
    "number_integer": lambda value: re.fullmatch(r"-?\d+", value) is not None,
    "number_decimal": lambda value: number(value) is not None,
    "boolean": lambda value: value in ("true", "false"),
    "json": _is_json,
    "date": lambda value: moment(value) is not None,
    "date_time": lambda value: moment(value) is not None,
    "url": lambda value: re.match(r"https?://\S+$", value) is not None,
}


def set_many(
    shop: Shop, inputs: list[Json], owner_of: Callable[[Shop, str], Owner | None]
) -> tuple[list[MetafieldView], list[Json]]:
    """Sets all or none; returns the metafields or the errors.

    Changed orders get a new `updated_at` and a webhook.
    """
    if len(inputs) > AT_ONCE:
        message = f"Exceeded the maximum metafields input limit of {AT_ONCE}."
        return [], [user_error(message, "metafields", code="LESS_THAN_OR_EQUAL_TO", elementIndex=None)]
    owners = [owner_of(shop, row["ownerId"]) for row in inputs]
    errors = [
        found
        for index, (row, owner) in enumerate(zip(inputs, owners, strict=True))
        for found in _errors(row, owner, index)
    ]
    if errors:
        return [], errors
    pairs = [(owner, row) for owner, row in zip(owners, inputs, strict=True) if owner is not None]
    views, changed = [], {}
    for owner, row in pairs:
        view, is_new = _store(shop, owner, row)
        views.append(view)
        if is_new and isinstance(owner, OrderView):
            changed[owner.rest["id"]] = owner
    for order in changed.values():
        _settle(shop, order)
    return views, []


def _settle(shop: Shop, order: OrderView) -> None:
    if shop.options.metafield_touches_order:
        shop.touch(order.doc)
        shop.announce(order.doc, ("orders/updated",))
    else:
        shop.save(order.doc)


def _store(shop: Shop, owner: Owner, row: Json) -> tuple[MetafieldView, bool]:
    now, key = stamp(shop.now()), row["key"]
    found = find(owner, row.get("namespace"), key)
    kind = row.get("type") or (found["type"] if found else "")
    if found is None:
        found = {"id": next(shop.ids), "namespace": full_namespace(row.get("namespace")), "key": key, "created_at": now}
        stored(owner).append(found)
    is_new = found.get("value") != row["value"] or found.get("type") != kind
    found.update({"value": row["value"], "type": kind, "updated_at": now if is_new else found["updated_at"]})
    return MetafieldView(owner, found), is_new


def _errors(row: Json, owner: Owner | None, index: int) -> list[Json]:
    """The first error of one input, as a list of at most one."""
    if owner is None:
        found: InputError | None = ("Owner does not exist.", "INVALID", "ownerId")
    else:
        found = _name_error(row) or _value_error(row, find(owner, row.get("namespace"), row["key"]))
    if found is None:
        return []
    message, code, field = found
    return [user_error(message, "metafields", str(index), field, code=code, elementIndex=index)]


def _name_error(row: Json) -> InputError | None:
    for field, text, least, most in (
        ("namespace", full_namespace(row.get("namespace")), 3, 255),
        ("key", row["key"], 2, 64),
    ):
        if len(text) < least:
            return f"is too short (minimum is {least} characters)", "TOO_SHORT", field
        if len(text) > most:
            return f"is too long (maximum is {most} characters)", "TOO_LONG", field
    return None


def _value_error(row: Json, known: Json | None) -> InputError | None:
    kind = row.get("type") or (known["type"] if known else "")
    if not kind:
        return "can't be blank", "BLANK", "type"
    if kind not in CHECKS and not kind.startswith("list."):
        return f"Type '{kind}' is not a supported type.", "INCLUSION", "type"
    if row["value"] == "":
        return "may not be empty", "BLANK", "value"
    if not CHECKS.get(kind, _is_json)(row["value"]):
        return f"Value is not valid for type '{kind}'.", "INVALID_VALUE", "value"
    # compareDigest null means that the metafield must not exist yet.
    if "compareDigest" in row and row["compareDigest"] != (digest(known) if known else None):
        return "The resource has been updated since it was loaded.", "STALE_OBJECT", "compareDigest"
    return None
