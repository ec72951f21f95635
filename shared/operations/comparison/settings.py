"""Settings of a comparison: for the reconciler and for `tillbridge reconcile`."""

from __future__ import annotations

from decimal import Decimal

from pydantic import Field

from shared.connectors.settings import VendorSettings


class ComparisonSettings(VendorSettings):
    reconcile_recheck_seconds: float = Field(
        60.0, gt=0, description="How often open differences are looked at again, in seconds"
    )
    reconcile_settling_seconds: float = Field(
        120.0, ge=0, description="For how long after a change nothing is concluded from a difference, in seconds"
    )
    reconcile_in_flight_seconds: float = Field(
        3600.0, ge=0, description="For how long an event that was received and has not ended explains a difference"
    )
    reconcile_max_repairs: int = Field(
        100, ge=0, description="Repairs within an hour at most; above that nothing is repaired and a person is asked"
    )
    reconcile_max_at_risk: Decimal = Field(
        Decimal(20_000), ge=0, description="Money at risk that may be repaired within an hour, in the shop's currency"
    )
