"""Settings of the Heartland writer."""

from __future__ import annotations

from pydantic import Field

from shared.sync.settings import WriterSettings


class Settings(WriterSettings):
    item_cache_seconds: float = Field(
        300.0, ge=0, description="How long an item that was found counts as existing, in seconds"
    )
    awaited_check_seconds: float = Field(
        5.0, gt=0, description="How often missing items that orders wait for are looked up, in seconds"
    )
