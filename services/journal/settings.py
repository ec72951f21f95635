"""Settings of the journal."""

from __future__ import annotations

from pydantic import Field

from shared.messaging.settings import GroupSettings


class Settings(GroupSettings):
    journal_retention_days: float = Field(
        90.0, gt=0, description="How long the journal keeps the hops of an order, in days"
    )
    journal_collect_seconds: float = Field(
        0.25, ge=0, description="How long records are collected for one statement while few come, in seconds"
    )
    journal_batch_records: int = Field(1_000, ge=1, description="Records written to the journal in one statement")
