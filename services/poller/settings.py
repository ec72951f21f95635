"""Settings of the poller."""

from __future__ import annotations

from pydantic import Field

from shared.connectors.settings import SubscriptionSettings


class Settings(SubscriptionSettings):
    poll_seconds: float = Field(5.0, gt=0, description="How often each feed is asked for what changed, in seconds")
    poll_overlap_seconds: float = Field(
        600.0, ge=0, description="How far a poll looks back behind its cursor, for records that show up late"
    )
    poll_lookback_hours: float = Field(24.0, ge=0, description="Where a feed without a cursor begins, in hours ago")
    poll_page_size: int = Field(200, ge=1, description="Records per page of a poll")
    subscription_check_seconds: float = Field(
        300.0,
        gt=0,
        description="How often webhook subscriptions and the usual rate of webhooks are looked at, in seconds",
    )
