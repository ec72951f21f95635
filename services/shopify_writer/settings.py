"""Settings of the Shopify writer."""

from __future__ import annotations

from pydantic import Field

from shared.sync.settings import WriterSettings


class Settings(WriterSettings):
    shopify_read_lag_seconds: float = Field(
        10.0, ge=0, description="How long a Shopify write may stay invisible to reads before it counts as not applied"
    )
    link_batch_wait_ms: float = Field(
        20.0, ge=0, description="How long links are collected for one call, in milliseconds"
    )
