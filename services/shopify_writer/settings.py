"""Settings of the Shopify writer."""

from __future__ import annotations

from pydantic import Field

from shared.connectors.settings import VendorSettings
from shared.messaging.settings import ConsumerSettings


class Settings(ConsumerSettings, VendorSettings):
    shopify_read_lag_seconds: float = Field(
        10.0, ge=0, description="How long a Shopify write may stay invisible to reads before it counts as not applied"
    )
    link_batch_wait_ms: float = Field(20.0, ge=0, description="How long links are collected for one call, milliseconds")
    writer_concurrency: int = Field(32, ge=1, description="Orders in work at a time")
