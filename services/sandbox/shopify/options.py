"""What the imitated shop is told by the sandbox's settings; a setting that is not there has its default here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

SCOPES = (
    "read_all_orders,read_orders,write_orders,read_fulfillments,read_merchant_managed_fulfillment_orders,"
    "write_merchant_managed_fulfillment_orders,read_products,write_products,read_customers,write_customers,"
    "read_locations,read_inventory"
)
# What the app's own configuration would subscribe to; subscriptions made through the API name their topic themselves.
TOPICS = "orders/create,orders/updated,orders/paid,orders/cancelled,orders/edited,refunds/create"
# Shopify retries eight times within four hours; here the same eight fit into minutes.
RETRY_SECONDS = "1,2,4,8,16,32,64,128"


@dataclass(frozen=True)
class Options:
    """`retry_seconds` are the waits before each retry of a webhook; `unlimited` switches query cost limits off."""

    shop_domain: str
    client_id: str
    client_secret: str
    access_token: str
    plan: str
    cost_model: str
    webhook_url: str
    connection: str
    topics: frozenset[str]
    retry_seconds: tuple[float, ...]
    metafield_touches_order: bool
    unknown_enums: bool
    scopes: tuple[str, ...]
    currency: str

    @classmethod
    def of(cls, settings: object) -> Self:
        def told(name: str, default: str) -> str:
            return str(getattr(settings, f"sandbox_{name}", default))

        return cls(
            shop_domain=told("shop_domain", "sandbox.myshopify.com"),
            client_id=told("client_id", "sandbox-client-id"),
            client_secret=told("client_secret", "sandbox-client-secret"),
            access_token=told("access_token", ""),
            plan=told("plan", "standard"),
            cost_model=told("cost_model", "log"),
            webhook_url=told("webhook_url", ""),
            connection=told("connection", "main"),
            topics=frozenset(_words(told("webhook_topics", TOPICS))),
            retry_seconds=tuple(float(part) for part in _words(told("webhook_retry_seconds", RETRY_SECONDS))),
            metafield_touches_order=_yes(told("metafield_touches_order", "true")),
            unknown_enums=_yes(told("unknown_enums", "false")),
            scopes=tuple(_words(told("scopes", SCOPES))),
            currency=told("currency", "USD"),
        )


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _yes(text: str) -> bool:
    return text.lower() in ("1", "true", "yes", "on")
