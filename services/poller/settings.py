"""Settings of the poller."""

from __future__ import annotations

from pydantic import Field

from shared.connectors.settings import SubscriptionSettings


class Settings(SubscriptionSettings):
    poll_seconds: float = Field(5.0, gt=0, description="How often each feed is polled for changes, in seconds")
    poll_overlap_seconds: float = Field(
        600.0, ge=0, description="How far before its cursor a poll looks back, for records that appear late, in seconds"
    )
    poll_lookback_hours: float = Field(24.0, ge=0, description="How far back the first poll of a feed reads, in hours")
    poll_page_size: int = Field(200, ge=1, description="Records per page of a poll")
    subscription_check_seconds: float = Field(
        300.0,
        gt=0,
        description="How often webhook subscriptions and the rate of webhooks are checked, in seconds",
    )
