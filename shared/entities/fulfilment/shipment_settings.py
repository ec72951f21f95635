"""What of a connection's settings it takes to read a shipment."""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.connectors.heartland.clients import HeartlandConnection
from shared.definitions.parse import read_section
from shared.entities.fulfilment.settings import HeartlandFulfilmentSettings, ShopifyFulfilmentSettings
from shared.entities.order.settings import HeartlandOrderSettings


@dataclass(frozen=True, slots=True)
class ShipmentSettings:
    """How its order was written, the custom fields of invoices, and whether Shopify tells the buyer."""

    order: HeartlandOrderSettings = field(default_factory=HeartlandOrderSettings)
    fields: HeartlandFulfilmentSettings = field(default_factory=HeartlandFulfilmentSettings)
    notify_customer: bool = False


def shipment_settings(heartland: HeartlandConnection) -> ShipmentSettings:
    """Those of a connection. Raises TargetDown or Misconfigured for what cannot be used."""
    chosen = read_section(heartland.connection.settings, "shopify.fulfilment", ShopifyFulfilmentSettings)
    return ShipmentSettings(
        heartland.section("order", HeartlandOrderSettings),
        heartland.section("fulfilment", HeartlandFulfilmentSettings),
        chosen.notify_customer,
    )
