"""The steps of a shipment's plan: frozen values, one per call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.entities.fulfilment.shopify.allocation import FulfilmentCall, Tracking


@dataclass(frozen=True, slots=True)
class CreateFulfilment:
    """Fulfil units at one location.

    `operation` is its name in the ledger, `intent` is stored with the claim.
    """

    operation: str
    call: FulfilmentCall
    intent: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ChangeTracking:
    """Set the tracking of an existing fulfilment. Sent once, since Shopify may notify the buyer."""

    operation: str
    fulfilment: str
    tracking: Tracking
    intent: Mapping[str, Any]


Step = CreateFulfilment | ChangeTracking
