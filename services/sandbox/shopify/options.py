"""The simulated shop's options.

Initially from the sandbox's settings, changeable through the control API.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

SCOPES = (
    "read_all_orders,read_orders,write_orders,read_fulfillments,read_merchant_managed_fulfillment_orders,"
    "write_merchant_managed_fulfillment_orders,read_products,write_products,read_customers,write_customers,"
    "read_locations,read_inventory"
)
# Topics of the app's own configuration; subscriptions created through the API name their topics themselves.
TOPICS = "orders/create,orders/updated,orders/paid,orders/cancelled,orders/edited,refunds/create"
# Shopify retries eight times within four hours; these eight retries take minutes.
RETRY_SECONDS = "1,2,4,8,16,32,64,128"


class Options(BaseModel):
    """A mutable object shared by all parts of the shop, so that a change takes effect at once."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    shop_domain: str = "sandbox.myshopify.com"
    client_id: str = "sandbox-client-id"
    client_secret: str = "sandbox-client-secret"  # noqa: S105 - a secret of the simulated shop only
    access_token: str = ""
    plan: str = Field("standard", description="Determines the query cost budget; `unlimited` is for measurements")
    cost_model: str = Field("log", description="log or linear")
    connection: str = Field("main", description="Last part of the URL of the app's own webhooks")
    webhook_topics: str = Field(TOPICS, description="Topics that the app's own configuration subscribes to")
    webhook_retry_seconds: str = Field(RETRY_SECONDS, description="Delays before the retries of a webhook, in seconds")
    metafield_touches_order: bool = Field(True, description="Setting a metafield changes the order's updated_at")
    unknown_enums: bool = Field(False, description="Enums contain members that are not in the schema")
    unknown_fields: bool = Field(False, description="Webhook bodies contain undocumented fields")
    hide_personal_data: bool = Field(False, description="Names, addresses, e-mail and phone are omitted")
    deny_customers: bool = Field(False, description="Reading an order's customer fails with ACCESS_DENIED")
    scopes: str = Field(SCOPES, description="Permissions of the app; without read_all_orders 60 days are visible")
    currency: str = Field("USD", description="The shop's currency")

    @classmethod
    def of(cls, settings: object) -> Self:
        """From the settings named `sandbox_<option>`; others keep their default."""
        values = {name: getattr(settings, f"sandbox_{name}", None) for name in cls.model_fields}
        return cls.model_validate({name: value for name, value in values.items() if value is not None})

    def switch(self, values: Mapping[str, Any]) -> None:
        """Changes options. Raises pydantic's ValidationError for an unknown name or an invalid value."""
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
