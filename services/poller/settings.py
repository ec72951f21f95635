"""Settings of the poller."""

from __future__ import annotations

from pydantic import Field

from shared.runtime.settings import Settings as Common


class Settings(Common):
    poll_seconds: float = Field(5.0, gt=0, description="How often each feed is asked for what changed, in seconds")
    poll_overlap_seconds: float = Field(
        600.0, ge=0, description="How far a poll looks back behind its cursor, for records that show up late"
    )
    poll_lookback_hours: float = Field(24.0, ge=0, description="Where a feed without a cursor begins, in hours ago")
    poll_page_size: int = Field(200, ge=1, description="Records per page of a poll")
    heartland_requests_per_second: float = Field(
        4.0,
        ge=0,
        description="Calls per second of all services to one Heartland account, 0: no limit; no figure is published",
    )
    heartland_max_in_flight: int = Field(
        2, ge=1, description="Calls of all services together to one Heartland account at a time; each has at least one"
    )
    heartland_timeout_seconds: float = Field(30.0, gt=0, description="How long a call to Heartland may take in all")
    ingress_public_url: str = Field(
        "",
        description="Where Shopify reaches ingress, e.g. https://hooks.example.com; empty: its webhook subscriptions "
        "are made elsewhere, by the app's own configuration",
    )
    subscription_check_seconds: float = Field(
        300.0,
        gt=0,
        description="How often webhook subscriptions and the usual rate of webhooks are looked at, in seconds",
    )
    subscription_overlap_seconds: float = Field(
        15_300.0,
        ge=0,
        description="For how long Shopify may have failed before it gave a subscription up: orders of that time are "
        "read again too",
    )
    shopify_points_per_second: float = Field(
        100.0, ge=0, description="Query points a shop restores per second until its replies say so; 0 for no limit"
    )
