"""What the imitated shop is told: by the sandbox's settings at the start, by switches over HTTP later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

SCOPES = (
    "read_all_orders,read_orders,write_orders,read_fulfillments,read_merchant_managed_fulfillment_orders,"
    "write_merchant_managed_fulfillment_orders,read_products,write_products,read_customers,write_customers,"
    "read_locations,read_inventory"
)
# What the app's own configuration would subscribe to; subscriptions made through the API name their topic themselves.
TOPICS = "orders/create,orders/updated,orders/paid,orders/cancelled,orders/edited,refunds/create"
# Shopify retries eight times within four hours; here the same eight fit into minutes.
RETRY_SECONDS = "1,2,4,8,16,32,64,128"


class Options(BaseModel):
    """One object that all parts of the shop look at, so that a switch counts at once."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    shop_domain: str = "sandbox.myshopify.com"
    client_id: str = "sandbox-client-id"
    client_secret: str = "sandbox-client-secret"  # noqa: S105 - whom it lets in is an imitation
    access_token: str = ""
    plan: str = Field("standard", description="Its cost budget; `unlimited` is a plan that no shop has")
    cost_model: str = Field("log", description="log or linear")
    connection: str = Field("main", description="Last part of the address of the app's own webhooks")
    webhook_topics: str = Field(TOPICS, description="Topics that the app's own configuration subscribes to")
    webhook_retry_seconds: str = Field(RETRY_SECONDS, description="Waits before the retries of a webhook")
    metafield_touches_order: bool = Field(True, description="Setting a metafield changes the order's updated_at")
    unknown_enums: bool = Field(False, description="Enumerations hold members that nobody has heard of")
    unknown_fields: bool = Field(False, description="Webhook bodies hold fields that nobody has heard of")
    hide_personal_data: bool = Field(False, description="Names, addresses, e-mail and phone are left out")
    deny_customers: bool = Field(False, description="Reading an order's customer is refused (ACCESS_DENIED)")
    scopes: str = Field(SCOPES, description="Permissions of the app; without read_all_orders 60 days are visible")
    currency: str = Field("USD", description="The shop's currency")

    @classmethod
    def of(cls, settings: object) -> Self:
        """From settings `sandbox_<name>`, as far as there are such."""
        told = {name: getattr(settings, f"sandbox_{name}", None) for name in cls.model_fields}
        return cls.model_validate({name: value for name, value in told.items() if value is not None})

    def switch(self, values: Mapping[str, Any]) -> None:
        """Raises pydantic's ValidationError for an unknown name or a wrong value."""
        checked = type(self).model_validate({**self.model_dump(), **values})
        for name in values:
            setattr(self, name, getattr(checked, name))

    @property
    def retries(self) -> tuple[float, ...]:
        return tuple(float(part) for part in _words(self.webhook_retry_seconds))

    @property
    def topics(self) -> frozenset[str]:
        return frozenset(_words(self.webhook_topics))

    @property
    def granted(self) -> list[str]:
        return _words(self.scopes)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]
