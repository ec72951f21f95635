"""Looks up records by global id."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from services.sandbox.shopify import shipping, totals
from services.sandbox.shopify.gid import parse
from services.sandbox.shopify.graphql_errors import ApiError
from services.sandbox.shopify.orders import Entry
from services.sandbox.shopify.records import (
    CustomerView,
    InventoryItemView,
    OrderView,
    Part,
    ProductView,
    ShopView,
    SubscriptionView,
    VariantView,
    location_view,
)
from services.sandbox.shopify.redaction import redacted_customer
from services.sandbox.shopify.shop import Shop

READ_ALL: Final = "read_all_orders"
WINDOW_SECONDS: Final = 60 * 86_400.0


def order(shop: Shop, number: int) -> OrderView | None:
    doc = shop.orders.get(number)
    return OrderView(shop, doc) if doc and is_visible(shop, shop.orders.entry(number)) else None


def is_visible(shop: Shop, entry: Entry | None) -> bool:
    """Whether the app may see the order: without `read_all_orders`, only those of the last 60 days."""
    if entry is None or READ_ALL in shop.options.granted:
        return entry is not None
    return entry.created >= shop.now().timestamp() - WINDOW_SECONDS


def part(shop: Shop, kind: str, number: int) -> Part | None:
    doc = shop.orders.owner(kind, number)
    if doc is None:
        return None
    rows = {
        "FulfillmentOrder": doc["fos"],
        "Fulfillment": shipping.fulfilments(doc["rest"]),
        "OrderTransaction": doc["payments"],
        "Refund": totals.refunds(doc["rest"]),
        "LineItem": totals.lines(doc["rest"]),
    }[kind]
    found = next((row for row in rows if row["id"] == number), None)
    return Part(kind, OrderView(shop, doc), found) if found else None


def customer(shop: Shop, number: int) -> CustomerView | None:
    found = shop.customers.get(number)
    if found and shop.options.hide_personal_data:
        found = redacted_customer(found)
    return CustomerView(shop, found) if found else None


def product(shop: Shop, number: int) -> ProductView | None:
    found = shop.catalog.products.get(number)
    return ProductView(shop, found) if found else None


def variant(shop: Shop, number: int) -> VariantView | None:
    found = shop.catalog.variants.get(number)
    return VariantView(shop, found) if found else None


def inventory_item(shop: Shop, number: int) -> InventoryItemView | None:
    found = shop.catalog.variants.get(number)
    return InventoryItemView(shop, found) if found else None


def subscription(shop: Shop, number: int) -> SubscriptionView | None:
    found = shop.subscriptions.rows.get(number)
    return SubscriptionView(shop, found) if found else None


def location(shop: Shop, number: int) -> Any:
    return location_view(shop, number) if number in shop.locations.rows else None


BY_KIND: Final[Mapping[str, Callable[[Shop, int], Any]]] = {
    "Order": order,
    "Customer": customer,
    "Product": product,
    "ProductVariant": variant,
    "InventoryItem": inventory_item,
    "Location": location,
    "WebhookSubscription": subscription,
    "Shop": lambda shop, number: ShopView(shop) if number == 1 else None,
    "AppInstallation": lambda shop, number: ShopView(shop, "AppInstallation") if number == 1 else None,
}
PARTS: Final = ("FulfillmentOrder", "Fulfillment", "OrderTransaction", "Refund", "LineItem")


def node(shop: Shop, text: str, kind: str = "") -> Any:
    """The record with this global id (of `kind`, if given). Raises ApiError for an invalid global id."""
    found = parse(text)
    if found is None or (kind and found[0] != kind):
        raise ApiError(f"Invalid global id '{text}'", "argumentLiteralsIncompatible")
    if found[0] in PARTS:
        return part(shop, *found)
    read = BY_KIND.get(found[0])
    return read(shop, found[1]) if read else None
