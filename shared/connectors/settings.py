"""Settings of every service that calls the vendors."""

from __future__ import annotations

from pydantic import Field

from shared.connectors.heartland.clients import CallLimits
from shared.runtime.settings import Settings as Common


class VendorSettings(Common):
    """Limits that all services together keep towards one account."""

    shopify_points_per_second: float = Field(
        100.0, ge=0, description="Query points a shop restores per second until its replies say so; 0 for no limit"
    )
    heartland_requests_per_second: float = Field(
        4.0,
        ge=0,
        description="Calls per second of all services to one Heartland account, 0: no limit; no figure is published",
    )
    heartland_max_in_flight: int = Field(
        2, ge=1, description="Calls of all services together to one Heartland account at a time; each has at least one"
    )
    heartland_timeout_seconds: float = Field(30.0, gt=0, description="How long a call to Heartland may take in all")

    @property
    def heartland_limits(self) -> CallLimits:
        return CallLimits(
            self.heartland_requests_per_second, self.heartland_max_in_flight, self.heartland_timeout_seconds
        )


class SubscriptionSettings(VendorSettings):
    """Settings of those who manage Shopify's webhook subscriptions."""

    ingress_public_url: str = Field(
        "",
        description="Where Shopify reaches ingress, e.g. https://hooks.example.com; empty: its webhook subscriptions "
        "are made elsewhere, by the app's own configuration",
    )
    subscription_overlap_seconds: float = Field(
        15_300.0,
        ge=0,
        description="For how long Shopify may have failed before it gave a subscription up: orders of that time are "
        "read again too",
    )
