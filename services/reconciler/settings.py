"""Settings of the reconciler."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from pydantic import Field

from shared.connectors.settings import VendorSettings


class Settings(VendorSettings):
    reconcile_seconds: float = Field(300.0, gt=0, description="How often what changed lately is compared, in seconds")
    reconcile_recheck_seconds: float = Field(
        60.0, gt=0, description="How often open differences are looked at again, in seconds"
    )
    reconcile_overlap_seconds: float = Field(
        900.0, ge=0, description="How far each comparison looks back behind the last one, in seconds"
    )
    reconcile_settling_seconds: float = Field(
        120.0, ge=0, description="For how long after a change nothing is concluded from a difference, in seconds"
    )
    reconcile_in_flight_seconds: float = Field(
        3600.0, ge=0, description="For how long an event that was received and has not ended explains a difference"
    )
    reconcile_full_seconds: float = Field(86_400.0, gt=0, description="How often everything is compared, in seconds")
    reconcile_full_days: float = Field(60.0, gt=0, description="How many days back everything is compared")
    reconcile_max_repairs: int = Field(
        100, ge=0, description="Repairs within an hour at most; above that nothing is repaired and a person is asked"
    )
    reconcile_max_at_risk: Decimal = Field(
        Decimal(20_000), ge=0, description="Money at risk that may be repaired within an hour, in the shop's currency"
    )

    @property
    def overlap(self) -> timedelta:
        return timedelta(seconds=self.reconcile_overlap_seconds)

    @property
    def full_every(self) -> timedelta:
        return timedelta(seconds=self.reconcile_full_seconds)

    @property
    def full_reach(self) -> timedelta:
        return timedelta(days=self.reconcile_full_days)
