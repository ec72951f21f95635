"""GraphQL resolvers of the shop, its locations, the app and the app's webhook subscriptions."""

from __future__ import annotations

from typing import Any, Final

from services.sandbox.shopify.executor import Resolver
from services.sandbox.shopify.gid import gid
from services.sandbox.shopify.metafields import HOLDER
from services.sandbox.shopify.money import Json
from services.sandbox.shopify.records import LocationView, ShopView
from services.sandbox.shopify.timestamps import graphql_time
from services.sandbox.shopify.versions import NEWEST, shown

SHOP_MADE_AT: Final = "2024-01-02T14:00:00Z"


def _of(name: str, default: Any = None) -> Resolver:
    return lambda place, _: place.data.get(name, default)


def location_address(place: LocationView, _: Json) -> Json:
    data = place.data
    names = ("address1", "address2", "city", "country", "province", "zip", "phone", "latitude", "longitude")
    lines = [str(data[name]) for name in ("address1", "city", "zip", "country") if data.get(name)]
    codes = {"countryCode": data.get("country_code"), "provinceCode": data.get("province_code")}
    return {**{name: data.get(name) for name in names}, **codes, "formatted": lines}


LOCATION: Final[dict[str, Resolver]] = {
    "id": lambda p, _: gid("Location", p.data["id"]),
    "legacyResourceId": lambda p, _: str(p.data["id"]),
    "name": _of("name"),
    "isActive": _of("active", default=True),
    "isFulfillmentService": lambda p, _: False,
    "fulfillsOnlineOrders": lambda p, _: True,
    "shipsInventory": lambda p, _: True,
    "hasActiveInventory": lambda p, _: True,
    "address": location_address,
    "addressVerified": lambda p, _: False,
    "activatable": lambda p, _: True,
    "deactivatable": lambda p, _: True,
    "deletable": lambda p, _: False,
    "deactivatedAt": lambda p, _: None,
    "createdAt": lambda p, _: graphql_time(p.data["created_at"]),
    "updatedAt": lambda p, _: graphql_time(p.data["updated_at"]),
    **HOLDER,
}


def _domain(view: ShopView, _: Json) -> Json:
    host = view.shop.options.shop_domain
    return {"id": gid("Domain", 1), "host": host, "url": f"https://{host}", "sslEnabled": True}


def _plan(view: ShopView, _: Json) -> Json:
    plan = view.shop.options.plan
    is_plus = plan in ("plus", "enterprise")
    return {"publicDisplayName": plan.capitalize(), "partnerDevelopment": True, "shopifyPlus": is_plus}


SHOP: Final[dict[str, Resolver]] = {
    "id": lambda s, _: gid("Shop", 1),
    "name": lambda s, _: s.shop.options.shop_domain.split(".")[0].capitalize(),
    "email": lambda s, _: f"owner@{s.shop.options.shop_domain}",
    "myshopifyDomain": lambda s, _: s.shop.options.shop_domain,
    "primaryDomain": _domain,
    "url": lambda s, _: f"https://{s.shop.options.shop_domain}",
    "currencyCode": lambda s, _: s.shop.options.currency,
    "ianaTimezone": lambda s, _: "America/New_York",
    "taxesIncluded": lambda s, _: False,
    "plan": _plan,
    "createdAt": lambda s, _: SHOP_MADE_AT,
    "updatedAt": lambda s, _: SHOP_MADE_AT,
    **HOLDER,
}
INSTALLATION: Final[dict[str, Resolver]] = {
    "id": lambda s, _: gid("AppInstallation", 1),
    "app": lambda s, _: {
        "id": gid("App", 1),
        "title": "Sandbox app",
        "handle": "sandbox-app",
        "apiKey": s.shop.options.client_id,
    },
    "accessScopes": lambda s, _: [
        {"handle": scope, "description": scope.replace("_", " ").capitalize()} for scope in s.shop.options.granted
    ],
    **HOLDER,
}
SUBSCRIPTION: Final[dict[str, Resolver]] = {
    "id": lambda s, _: gid("WebhookSubscription", s.data.id),
    "legacyResourceId": lambda s, _: str(s.data.id),
    "topic": lambda s, _: s.data.topic,
    "uri": lambda s, _: s.data.uri,
    "callbackUrl": lambda s, _: s.data.uri,
    "format": lambda s, _: s.data.format,
    "filter": lambda s, _: s.data.filter,
    "includeFields": lambda s, _: s.data.include_fields,
    "metafieldNamespaces": lambda s, _: s.data.metafield_namespaces,
    "metafields": lambda s, _: s.data.metafields,
    "name": lambda s, _: s.data.name,
    "apiVersion": lambda s, _: {"handle": NEWEST, "displayName": shown(NEWEST), "supported": True},
    "createdAt": lambda s, _: graphql_time(s.data.created_at),
    "updatedAt": lambda s, _: graphql_time(s.data.updated_at),
}
