"""Mutations of webhook subscriptions."""

from __future__ import annotations

from typing import Any, Final

from services.sandbox.shopify.graphql_errors import user_error
from services.sandbox.shopify.lookups import node
from services.sandbox.shopify.money import Json
from services.sandbox.shopify.records import SubscriptionView
from services.sandbox.shopify.shop import Shop
from services.sandbox.shopify.subscriptions import Subscription
from services.sandbox.shopify.timestamps import stamp

NAMES: Final = {
    "uri": "uri",
    "callbackUrl": "uri",
    "format": "format",
    "filter": "filter",
    "name": "name",
    "includeFields": "include_fields",
    "metafieldNamespaces": "metafield_namespaces",
    "metafields": "metafields",
}


def _given_fields(given: Json) -> dict[str, Any]:
    return {ours: given[theirs] for theirs, ours in NAMES.items() if given.get(theirs) is not None}


def _errors(shop: Shop, topic: str, uri: str, but: int = 0) -> list[Json]:
    place = ("webhookSubscription", "callbackUrl")
    # Shopify accepts https only; the sandbox also sends to services on this machine.
    if not uri.startswith(("https://", "http://127.0.0.1", "http://localhost", "pubsub://", "arn:aws:events")):
        return [user_error("Address protocol http:// is not supported", *place)]
    if shop.subscriptions.is_taken(topic, uri, but):
        return [user_error("Address for this topic has already been taken", *place)]
    return []


def create(shop: Shop, args: Json) -> Json:
    fields = _given_fields(args["webhookSubscription"])
    errors = _errors(shop, args["topic"], fields.get("uri", ""))
    if errors:
        return {"webhookSubscription": None, "userErrors": errors}
    now = stamp(shop.now())
    made = Subscription(id=next(shop.ids), topic=args["topic"], created_at=now, updated_at=now, **fields)
    shop.subscriptions.add(made)
    return {"webhookSubscription": SubscriptionView(shop, made), "userErrors": []}


def update(shop: Shop, args: Json) -> Json:
    found: SubscriptionView | None = node(shop, args["id"], "WebhookSubscription")
    if found is None:
        return _missing("webhookSubscription")
    fields = _given_fields(args["webhookSubscription"])
    errors = _errors(shop, found.data.topic, fields.get("uri", found.data.uri), found.data.id)
    if errors:
        return {"webhookSubscription": None, "userErrors": errors}
    for name, value in fields.items():
        setattr(found.data, name, value)
    found.data.updated_at = stamp(shop.now())
    return {"webhookSubscription": found, "userErrors": []}


def delete(shop: Shop, args: Json) -> Json:
    found: SubscriptionView | None = node(shop, args["id"], "WebhookSubscription")
    if found is None:
        return _missing("deletedWebhookSubscriptionId")
    shop.subscriptions.remove(found.data.id)
    return {"deletedWebhookSubscriptionId": args["id"], "userErrors": []}


def _missing(name: str) -> Json:
    return {name: None, "userErrors": [user_error("Webhook subscription does not exist", "id")]}
