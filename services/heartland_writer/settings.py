"""Settings of the Heartland writer."""

from __future__ import annotations

from pydantic import Field

from shared.connectors.settings import VendorSettings
from shared.messaging.settings import ConsumerSettings


class Settings(ConsumerSettings, VendorSettings):
    writer_concurrency: int = Field(32, ge=1, description="Orders in work at a time")
    item_cache_seconds: float = Field(300.0, ge=0, description="How long an item once found is taken to exist")
    awaited_check_seconds: float = Field(
        5.0, gt=0, description="How often items that orders wait for are looked for, in seconds"
    )
