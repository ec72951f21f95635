"""The steps of a shipment's plan, a call each: frozen values, decided before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.entities.fulfilment.shopify.allocation import FulfilmentCall, Tracking


@dataclass(frozen=True, slots=True)
class CreateFulfilment:
    """Fulfil units at one location. `operation` is its name in the ledger, `intent` what it is claimed with."""

    operation: str
    call: FulfilmentCall
    intent: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ChangeTracking:
    """Set the tracking of a fulfilment that was made before. The buyer may be told, so it is done once."""

    operation: str
    fulfilment: str
    tracking: Tracking
    intent: Mapping[str, Any]


Step = CreateFulfilment | ChangeTracking
