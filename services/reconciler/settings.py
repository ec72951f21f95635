"""Settings of the reconciler: when records are compared. ComparisonSettings limit what a pass may do."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from shared.operations.comparison.settings import ComparisonSettings


class Settings(ComparisonSettings):
    reconcile_seconds: float = Field(300.0, gt=0, description="How often what changed lately is compared, in seconds")
    reconcile_overlap_seconds: float = Field(
        900.0, ge=0, description="How far before the start of the last comparison the next one looks back, in seconds"
    )
    reconcile_full_seconds: float = Field(86_400.0, gt=0, description="How often everything is compared, in seconds")
    reconcile_full_days: float = Field(60.0, gt=0, description="How many days back everything is compared")

    @property
    def overlap(self) -> timedelta:
        return timedelta(seconds=self.reconcile_overlap_seconds)

    @property
    def full_every(self) -> timedelta:
        return timedelta(seconds=self.reconcile_full_seconds)

    @property
    def full_reach(self) -> timedelta:
        return timedelta(days=self.reconcile_full_days)
