"""What a merchant may set for shipments. Everything has a default."""

from __future__ import annotations

from pydantic import Field

from shared.definitions.section import Section


class HeartlandFulfilmentSettings(Section):
    """How shipments are read from Heartland's invoices."""

    tracking_number_field: str = Field("tracking_number", description="Custom field of invoices: tracking number")
    carrier_field: str = Field("carrier", description="Custom field of invoices: carrier")
    tracking_url_field: str = Field("tracking_url", description="Custom field of invoices: tracking address")


class ShopifyFulfilmentSettings(Section):
    """How shipments are written into Shopify."""

    notify_customer: bool = Field(False, description="Shopify tells the buyer about shipments")
    location_map: dict[str, str] = Field({}, description="Shopify location gid by Heartland location id")
