"""Metafields: storage by owner, and their GraphQL resolvers."""

from __future__ import annotations

import hashlib
from typing import Any, Final

import orjson

from services.sandbox.shopify.executor import Resolver
from services.sandbox.shopify.gid import gid
from services.sandbox.shopify.money import Json
from services.sandbox.shopify.paging import page
from services.sandbox.shopify.records import CustomerView, LocationView, OrderView, ProductView, ShopView, VariantView
from services.sandbox.shopify.timestamps import graphql_time

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
    """The owner's list of metafields, which may be changed in place."""
    if isinstance(owner, OrderView):
        found: list[Json] = owner.doc["metafields"]
        return found
    return owner.shop.metafields.setdefault(owner_gid(owner), [])


def full_namespace(namespace: str | None) -> str:
    """Expands `$app` and `$app:name` to the app's reserved namespace."""
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
