"""The root fields of queries and mutations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from services.sandbox.shopify import fulfilment_changes as fulfil
from services.sandbox.shopify import lists, order_changes, subscription_changes
from services.sandbox.shopify.executor import Context, Resolver
from services.sandbox.shopify.lookups import location, node
from services.sandbox.shopify.metafields import full_namespace
from services.sandbox.shopify.money import Json
from services.sandbox.shopify.records import CustomerView, OrderView, ShopView
from services.sandbox.shopify.shop import Shop


def single(kind: str) -> Resolver:
    return lambda context, args: node(context.shop, args["id"], kind)


def customer_by(context: Context, args: Json) -> CustomerView | None:
    wanted, shop = args["identifier"], context.shop
    if wanted.get("id"):
        found: CustomerView | None = node(shop, wanted["id"], "Customer")
        return found
    if wanted.get("emailAddress"):
        data = shop.customers.with_email(wanted["emailAddress"])
    else:
        data = shop.customers.with_phone(wanted["phoneNumber"]) if wanted.get("phoneNumber") else None
    return CustomerView(shop, data) if data else None


def order_by(context: Context, args: Json) -> OrderView | None:
    """An order by global id or by the value of a metafield."""
    wanted, shop = args["identifier"], context.shop
    if wanted.get("id"):
        found: OrderView | None = node(shop, wanted["id"], "Order")
        return found
    custom = wanted["customId"]
    place = (full_namespace(custom.get("namespace")), custom["key"], custom["value"])
    docs = (shop.orders.get(entry.id) for entry in list(shop.orders.entries()))
    for doc in docs:
        if doc and any((row["namespace"], row["key"], row["value"]) == place for row in doc["metafields"]):
            return OrderView(shop, doc)
    return None


def one_location(context: Context, args: Json) -> Any:
    wanted = args.get("id")
    return node(context.shop, wanted, "Location") if wanted else location(context.shop, context.shop.locations.primary)


def change(work: Callable[[Shop, Json], Json]) -> Resolver:
    return lambda context, args: work(context.shop, args)


ROOTS: Final[dict[str, Resolver]] = {
    "currentAppInstallation": lambda context, _: ShopView(context.shop, "AppInstallation"),
    "customer": single("Customer"),
    "customerByIdentifier": customer_by,
    "customers": lists.customers,
    "fulfillment": single("Fulfillment"),
    "fulfillmentOrder": single("FulfillmentOrder"),
    "fulfillmentOrders": lists.fulfilment_orders,
    "location": one_location,
    "locations": lists.locations,
    "node": lambda context, args: node(context.shop, args["id"]),
    "nodes": lambda context, args: [node(context.shop, text) for text in args["ids"]],
    "order": single("Order"),
    "orderByIdentifier": order_by,
    "orders": lists.orders,
    "product": single("Product"),
    "products": lists.products,
    "productVariant": single("ProductVariant"),
    "productVariants": lists.variants,
    "shop": lambda context, _: ShopView(context.shop),
    "webhookSubscription": single("WebhookSubscription"),
    "webhookSubscriptions": lists.subscriptions,
}
MUTATIONS: Final[dict[str, Resolver]] = {
    "fulfillmentCancel": change(fulfil.cancel),
    "fulfillmentCreate": change(fulfil.create),
    "fulfillmentTrackingInfoUpdate": change(fulfil.update_tracking),
    "metafieldsSet": change(order_changes.set_metafields),
    "orderCancel": change(order_changes.cancel),
    "orderMarkAsPaid": change(order_changes.mark_as_paid),
    "orderUpdate": change(order_changes.update),
    "tagsAdd": change(order_changes.add_tags),
    "tagsRemove": change(order_changes.remove_tags),
    "webhookSubscriptionCreate": change(subscription_changes.create),
    "webhookSubscriptionDelete": change(subscription_changes.delete),
    "webhookSubscriptionUpdate": change(subscription_changes.update),
}
