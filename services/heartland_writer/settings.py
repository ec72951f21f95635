"""Settings of the Heartland writer."""

from __future__ import annotations

from pydantic import Field

from shared.messaging.settings import ConsumerSettings


class Settings(ConsumerSettings):
    heartland_requests_per_second: float = Field(
        4.0,
        ge=0,
        description="Calls per second of all services to one Heartland account, 0: no limit; no figure is published",
    )
    heartland_max_in_flight: int = Field(
        2, ge=1, description="Calls of all services together to one Heartland account at a time; each has at least one"
    )
    heartland_timeout_seconds: float = Field(30.0, gt=0, description="How long a call to Heartland may take in all")
    writer_concurrency: int = Field(32, ge=1, description="Orders in work at a time")
    item_cache_seconds: float = Field(300.0, ge=0, description="How long an item once found is taken to exist")
    awaited_check_seconds: float = Field(
        5.0, gt=0, description="How often items that orders wait for are looked for, in seconds"
    )
