"""Root fields that search and list records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from services.sandbox.shopify import totals
from services.sandbox.shopify.executor import Context
from services.sandbox.shopify.lookups import is_visible
from services.sandbox.shopify.money import Json
from services.sandbox.shopify.orders import Entry
from services.sandbox.shopify.paging import Key, page
from services.sandbox.shopify.records import (
    CustomerView,
    OrderView,
    Part,
    ProductView,
    SubscriptionView,
    VariantView,
    location_view,
)
from services.sandbox.shopify.search import Values, matcher
from services.sandbox.shopify.shapes import words
from services.sandbox.shopify.shop import Shop
from services.sandbox.shopify.timestamps import seconds


def fresh_enough(shop: Shop, rows: Iterable[Any], stored: Callable[[Any], float]) -> list[Any]:
    """The visible `rows` of a list: while reads lag, without the newest."""
    if not shop.read_lag:
        return list(rows)
    until = shop.world.clock.monotonic() - shop.read_lag
    return [row for row in rows if stored(row) <= until]


class OrderRow:
    """An order in a search; it is opened only if a filter needs more than its entry has."""

    __slots__ = ("_doc", "entry", "shop")

    def __init__(self, shop: Shop, entry: Entry) -> None:
        self.shop, self.entry = shop, entry
        self._doc: Json | None = None

    @property
    def doc(self) -> Json:
        if self._doc is None:
            self._doc = self.shop.orders.get(self.entry.id) or {}
        return self._doc

    def text(self, *names: str) -> list[str | float]:
        return [str(self.doc["rest"][name]) for name in names if self.doc["rest"].get(name) is not None]


def _order_state(row: OrderRow) -> list[str | float]:
    rest = row.doc["rest"]
    state = "cancelled" if rest.get("cancelled_at") else "closed" if rest.get("closed_at") else "open"
    return [state, "any", *([] if state == "closed" else ["not_closed"])]


def _fulfilment_state(row: OrderRow) -> list[str | float]:
    posted = row.doc["rest"].get("fulfillment_status")
    return (
        ["shipped", "fulfilled"] if posted == "fulfilled" else [str(posted)] if posted else ["unshipped", "unfulfilled"]
    )


ORDER_FILTERS: Final[Mapping[str, Values]] = {
    "id": lambda row: [float(row.entry.id)] if row.entry.id < 2**53 else [str(row.entry.id)],
    "name": lambda row: [row.entry.name, row.entry.name.lstrip("#")],
    "created_at": lambda row: [row.entry.created],
    "updated_at": lambda row: [row.entry.updated],
    "processed_at": lambda row: [row.entry.processed],
    "status": _order_state,
    "financial_status": lambda row: row.text("financial_status"),
    "fulfillment_status": _fulfilment_state,
    "tag": lambda row: words(row.doc["rest"].get("tags")),
    "test": lambda row: ["true" if row.doc["rest"].get("test") else "false"],
    "source_name": lambda row: row.text("source_name"),
    "source_identifier": lambda row: row.text("source_identifier"),
    "email": lambda row: row.text("email", "contact_email"),
    "gateway": lambda row: [str(payment["gateway"]) for payment in row.doc["payments"]],
    "location_id": lambda row: row.text("location_id"),
    "po_number": lambda row: row.text("po_number"),
    "sku": lambda row: [str(line.get("sku")) for line in totals.lines(row.doc["rest"])],
    "customer_id": lambda row: [str((row.doc["rest"].get("customer") or {}).get("id"))],
}
ORDER_KEYS: Final[Mapping[str, Callable[[Entry], Key]]] = {
    "UPDATED_AT": lambda entry: (entry.updated, entry.id),
    "CREATED_AT": lambda entry: (entry.created, entry.id),
    "PROCESSED_AT": lambda entry: (entry.processed, entry.id),
    "ORDER_NUMBER": lambda entry: (entry.name, entry.id),
    "ID": lambda entry: (entry.id,),
}


def orders(context: Context, args: Json) -> Any:
    shop = context.shop
    fits = matcher(args.get("query"), ORDER_FILTERS, lambda row: [row.entry.name, *row.text("email")])
    entries = fresh_enough(shop, shop.orders.entries(), lambda entry: entry.stored)
    found = [entry for entry in entries if is_visible(shop, entry) and fits(OrderRow(shop, entry))]
    key = ORDER_KEYS.get(args.get("sortKey") or "PROCESSED_AT", ORDER_KEYS["PROCESSED_AT"])
    return page(sorted(found, key=key), args, lambda entry: OrderView(shop, shop.orders.get(entry.id)), key)


def customers(context: Context, args: Json) -> Any:
    shop = context.shop
    numbers = fresh_enough(shop, shop.customers.ids(), lambda number: shop.customers.stored[number])
    filters: dict[str, Values] = {
        "id": lambda row: [str(row["id"])],
        "email": lambda row: [str(row.get("email") or "")],
        "phone": lambda row: [str(row.get("phone") or "")],
        "first_name": lambda row: [str(row.get("first_name") or "")],
        "last_name": lambda row: [str(row.get("last_name") or "")],
        "updated_at": lambda row: [seconds(row.get("updated_at"))],
        "tag": lambda row: words(row.get("tags")),
    }
    fits = matcher(args.get("query"), filters, lambda row: [str(row.get(n) or "") for n in ("email", "last_name")])
    rows = [row for row in (shop.customers.get(number) for number in sorted(numbers)) if row and fits(row)]
    return page(rows, args, lambda row: CustomerView(shop, row), lambda row: (row["id"],))


def variants(context: Context, args: Json) -> Any:
    shop = context.shop
    filters: dict[str, Values] = {
        "sku": lambda row: [row.sku],
        "id": lambda row: [str(row.id)],
        "product_id": lambda row: [str(row.product_id)],
        "title": lambda row: [row.title],
    }
    fits = matcher(args.get("query"), filters, lambda row: [row.sku, row.title])
    rows = fresh_enough(shop, shop.catalog.variants.values(), lambda row: row.stored)
    found = sorted((row for row in rows if fits(row)), key=lambda row: row.id)
    return page(found, args, lambda row: VariantView(shop, row), lambda row: (row.id,))


def products(context: Context, args: Json) -> Any:
    shop = context.shop
    filters: dict[str, Values] = {
        "id": lambda row: [str(row.id)],
        "title": lambda row: [row.title],
        "vendor": lambda row: [row.vendor],
        "sku": lambda row: [shop.catalog.variants[number].sku for number in row.variant_ids],
    }
    fits = matcher(args.get("query"), filters, lambda row: [row.title])
    rows = fresh_enough(shop, shop.catalog.products.values(), lambda row: row.stored)
    found = sorted((row for row in rows if fits(row)), key=lambda row: row.id)
    return page(found, args, lambda row: ProductView(shop, row), lambda row: (row.id,))


def locations(context: Context, args: Json) -> Any:
    shop = context.shop
    rows = [row for row in shop.locations.rows.values() if args.get("includeInactive") or row.get("active", True)]
    fits = matcher(args.get("query"), {"name": lambda row: [row["name"]], "id": lambda row: [str(row["id"])]}, _names)
    found = sorted((row for row in rows if fits(row)), key=lambda row: row["id"])
    return page(found, args, lambda row: location_view(shop, row["id"]), lambda row: (row["id"],))


def _names(row: Json) -> list[str | float]:
    return [str(row["name"])]


def fulfilment_orders(context: Context, args: Json) -> Any:
    """Scans all orders: for tests and small shops."""
    shop = context.shop
    filters: dict[str, Values] = {
        "status": lambda part: [str(part.data["status"])],
        "id": lambda part: [str(part.data["id"])],
        "assigned_location_id": lambda part: [str(part.data["location_id"])],
        "updated_at": lambda part: [seconds(part.data.get("updated_at") or part.data["created_at"])],
    }
    fits = matcher(args.get("query"), filters, lambda part: [str(part.order.rest["name"])])
    entries = fresh_enough(shop, list(shop.orders.entries()), lambda entry: entry.stored)
    views = (OrderView(shop, doc) for doc in (shop.orders.get(entry.id) for entry in entries) if doc)
    rows = [Part("FulfillmentOrder", view, fo) for view in views for fo in view.doc["fos"]]
    closed = () if args.get("includeClosed") else ("CLOSED", "CANCELLED")
    found = [row for row in rows if row.data["status"] not in closed and fits(row)]
    return page(sorted(found, key=lambda row: int(row.data["id"])), args, key=lambda row: (row.data["id"],))


def subscriptions(context: Context, args: Json) -> Any:
    shop = context.shop
    topics, uri = args.get("topics"), args.get("uri") or args.get("callbackUrl")
    rows = [
        row
        for row in shop.subscriptions.rows.values()
        if (not topics or row.topic in topics) and (not uri or row.uri == uri)
    ]
    return page(rows, args, lambda row: SubscriptionView(shop, row), lambda row: (row.id,))
