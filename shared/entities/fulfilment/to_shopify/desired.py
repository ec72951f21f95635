"""Computes a shipment as Shopify should hold it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.entities.fulfilment.event import FulfilmentEvent
from shared.entities.fulfilment.record import ShippedLine
from shared.entities.fulfilment.shopify.allocation import Tracking, tracking_of


@dataclass(frozen=True, slots=True)
class DesiredShipment:
    """Every shipped unit fulfilled, with this tracking. `version` is that of the invoice.

    `notify`: Shopify notifies the buyer. `location` is the gid of the preferred location, empty for none.
    """

    invoice: str
    order_id: str
    lines: Sequence[ShippedLine]
    tracking: Tracking
    version: datetime
    notify: bool
    location: str


def desired_shipment(event: FulfilmentEvent, location: str) -> DesiredShipment:
    record = event.record
    return DesiredShipment(
        invoice=record.id,
        order_id=record.order_id,
        lines=record.lines,
        tracking=tracking_of(record),
        version=event.version,
        notify=record.notify_customer,
        location=location,
    )
