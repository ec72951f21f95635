"""Metafields: where each owner's lie, how they are shown, and the mutation that sets up to 25 of them at once."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any, Final

import orjson

from services.sandbox.shopify.executor import Resolver
from services.sandbox.shopify.gid import gid, parse
from services.sandbox.shopify.money import Json, number
from services.sandbox.shopify.paging import page
from services.sandbox.shopify.problems import user_error
from services.sandbox.shopify.records import CustomerView, LocationView, OrderView, ProductView, ShopView, VariantView
from services.sandbox.shopify.shop import Shop
from services.sandbox.shopify.times import graphql_time, moment, stamp

AT_ONCE: Final = 25
APP_NAMESPACE: Final = "app--1234567"
OWNER_TYPES: Final = {
    "Order": "ORDER",
    "Customer": "CUSTOMER",
    "Product": "PRODUCT",
    "ProductVariant": "PRODUCTVARIANT",
    "Location": "LOCATION",
    "Shop": "SHOP",
    "AppInstallation": "SHOP",
}
Owner = OrderView | CustomerView | ProductView | VariantView | LocationView | ShopView


class MetafieldView:
    __slots__ = ("data", "owner")
    kind = "Metafield"

    def __init__(self, owner: Owner, data: Json) -> None:
        self.owner, self.data = owner, data


def owner_gid(owner: Owner) -> str:
    if isinstance(owner, ShopView):
        return gid(owner.kind, 1)
    number = owner.rest["id"] if isinstance(owner, OrderView) else _number(owner.data)
    return gid(owner.kind, number)


def _number(data: Any) -> int:
    return int(data["id"] if isinstance(data, dict) else data.id)


def stored(owner: Owner) -> list[Json]:
    """The owner's own list, to be read or added to."""
    if isinstance(owner, OrderView):
        found: list[Json] = owner.doc["metafields"]
        return found
    return owner.shop.metafields.setdefault(owner_gid(owner), [])


def full_namespace(namespace: str | None) -> str:
    """`$app` and `$app:name` are the app's own."""
    if not namespace or namespace == "$app":
        return APP_NAMESPACE
    return f"{APP_NAMESPACE}--{namespace[5:]}" if namespace.startswith("$app:") else namespace


def find(owner: Owner, namespace: str | None, key: str) -> Json | None:
    wanted = full_namespace(namespace)
    return next((row for row in stored(owner) if row["namespace"] == wanted and row["key"] == key), None)


def one(owner: Owner, args: Json) -> MetafieldView | None:
    found = find(owner, args.get("namespace"), args["key"])
    return MetafieldView(owner, found) if found else None


def several(owner: Owner, args: Json) -> Any:
    rows = stored(owner)
    if args.get("namespace"):
        rows = [row for row in rows if row["namespace"] == full_namespace(args["namespace"])]
    if args.get("keys"):
        rows = [row for row in rows if f"{row['namespace']}.{row['key']}" in args["keys"]]
    return page(rows, args, lambda row: MetafieldView(owner, row))


def digest(row: Json) -> str:
    return hashlib.sha256(f"{row['type']}:{row['value']}".encode()).hexdigest()


def _json_value(view: MetafieldView, _: Json) -> Any:
    if str(view.data["type"]).startswith(("json", "number_integer", "boolean", "list.")):
        return orjson.loads(view.data["value"])
    return view.data["value"]


HOLDER: Final[dict[str, Resolver]] = {"metafield": one, "metafields": several}
METAFIELD: Final[dict[str, Resolver]] = {
    "id": lambda v, _: gid("Metafield", v.data["id"]),
    "legacyResourceId": lambda v, _: str(v.data["id"]),
    "namespace": lambda v, _: v.data["namespace"],
    "key": lambda v, _: v.data["key"],
    "value": lambda v, _: v.data["value"],
    "jsonValue": _json_value,
    "type": lambda v, _: v.data["type"],
    "ownerType": lambda v, _: OWNER_TYPES[v.owner.kind],
    "owner": lambda v, _: v.owner,
    "compareDigest": lambda v, _: digest(v.data),
    "createdAt": lambda v, _: graphql_time(v.data["created_at"]),
    "updatedAt": lambda v, _: graphql_time(v.data["updated_at"]),
    "sizeInBytes": lambda v, _: len(v.data["value"].encode()),
}


def _is_json(value: str) -> bool:
    try:
        orjson.loads(value)
    except orjson.JSONDecodeError:
        return False
    return True


CHECKS: Final[dict[str, Callable[[str], bool]]] = {
    "single_line_text_field": lambda value: "\n" not in value,
    "multi_line_text_field": lambda value: True,
    "id": lambda value: bool(value),
    "number_integer": lambda value: re.fullmatch(r"-?\d+", value) is not None,
    "number_decimal": lambda value: number(value) is not None,
    "boolean": lambda value: value in ("true", "false"),
    "json": _is_json,
    "date": lambda value: moment(value) is not None,
    "date_time": lambda value: moment(value) is not None,
    "url": lambda value: re.match(r"https?://\S+$", value) is not None,
}


def set_many(shop: Shop, inputs: list[Json], owner_of: Callable[[Shop, str], Owner | None]) -> tuple[list[Any], list[Json]]:
    """All or none: the metafields as they now are, or the errors. Orders that changed are touched and announced."""
    if len(inputs) > AT_ONCE:
        message = f"Exceeded the maximum metafields input limit of {AT_ONCE}."
        return [], [user_error(message, "metafields", code="LESS_THAN_OR_EQUAL_TO", elementIndex=None)]
    owners = [owner_of(shop, row["ownerId"]) for row in inputs]
    errors = [
        found for index, (row, owner) in enumerate(zip(inputs, owners, strict=True)) for found in _wrong(row, owner, index)
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


def _wrong(row: Json, owner: Owner | None, index: int) -> list[Json]:
    def error(message: str, code: str, field: str) -> list[Json]:
        return [user_error(message, "metafields", str(index), field, code=code, elementIndex=index)]

    if owner is None:
        return error("Owner does not exist.", "INVALID", "ownerId")
    namespace, key, value = full_namespace(row.get("namespace")), row["key"], row["value"]
    for field, text, least, most in (("namespace", namespace, 3, 255), ("key", key, 2, 64)):
        if len(text) < least:
            return error(f"is too short (minimum is {least} characters)", "TOO_SHORT", field)
        if len(text) > most:
            return error(f"is too long (maximum is {most} characters)", "TOO_LONG", field)
    found = find(owner, row.get("namespace"), key)
    kind = row.get("type") or (found["type"] if found else None)
    if kind is None:
        return error("can't be blank", "BLANK", "type")
    if kind not in CHECKS and not kind.startswith("list."):
        return error(f"Type '{kind}' is not a supported type.", "INCLUSION", "type")
    if value == "":
        return error("may not be empty", "BLANK", "value")
    if not CHECKS.get(kind, _is_json)(value):
        return error(f"Value is not valid for type '{kind}'.", "INVALID_VALUE", "value")
    if "compareDigest" in row and row["compareDigest"] != (digest(found) if found else None):
        return error("The resource has been updated since it was loaded.", "STALE_OBJECT", "compareDigest")
    return []


def is_owner(text: str) -> bool:
    found = parse(text)
    return found is not None and found[0] in OWNER_TYPES
