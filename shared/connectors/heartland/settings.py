"""What a merchant may set for the Heartland side of a connection. Everything has a default.

What the vendor does not document is a flag here, with the assumption in its description: the day a real account proves
us wrong, it is switched, not rebuilt.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.errors import Misconfigured


class HeartlandSettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    source_location_id: int | None = Field(None, description="Location that web orders are booked for")
    source_location: str = Field("", description="The same by its name or number, where no id is given")
    station_id: int | None = Field(None, description="Register for web orders; else the location's first")
    ship_from_location_id: int | None = Field(None, description="Where lines ship from; else the booking location")
    shipping_method_id: int | None = Field(None, description="Shipping method of web orders; none if not set")
    sales_rep: str = Field("Shopify", description="Free text that stands as sales person on web orders")
    order_prefix: str = Field("S-", description="Stands before Shopify's order name in Heartland's order number")
    order_id_field: str = Field("shopify_order_id", description="Custom field of orders that holds Shopify's order id")
    line_id_field: str = Field("shopify_line_id", description="Custom field of order lines: Shopify's line id")
    transaction_id_field: str = Field(
        "shopify_transaction_id", description="Custom field of payments: Shopify's transaction id"
    )
    note_field: str = Field("", description="Custom field of orders for the buyer's note; empty for none")
    placeholder_sku: str = Field("MISC", description="Item for lines without SKU; created when first needed")
    tip_sku: str = Field("TIP", description="Item that carries tips")
    duty_sku: str = Field("DUTY", description="Item that carries duties")
    fee_sku: str = Field("FEE", description="Item that carries fees")
    rounding_sku: str = Field("ROUNDING", description="Item that carries cash rounding, up or down")
    discount_sku: str = Field("DISCOUNT", description="Item for discounts of an order as a whole (old records)")
    payment_types: dict[str, int] = Field({}, description="Heartland payment type by Shopify gateway")
    tracking_number_field: str = Field("tracking_number", description="Custom field of invoices: tracking number")
    carrier_field: str = Field("carrier", description="Custom field of invoices: carrier")
    tracking_url_field: str = Field("tracking_url", description="Custom field of invoices: tracking address")
    notify_customer: bool = Field(False, description="Shopify tells the buyer about shipments")
    # Assumptions
    can_cancel_order: bool = Field(
        True, description='Assumed: PUT {"status": "canceled"} cancels an order; off: a person is asked to'
    )
    can_delete_order_line: bool = Field(
        True, description="Assumed: DELETE removes a line of an order; off: its quantity is set to 0"
    )
    payments_within_balance: bool = Field(
        True, description="Assumed: Heartland takes no payment above what an order still owes; off: all of it is booked"
    )
    unique_order_public_id: bool = Field(
        True, description="Assumed: Heartland refuses a taken order number; off: it is looked up before each create"
    )
    tax_recomputed: bool = Field(
        True, description="Assumed: Heartland may add its own tax to an order, so taxes are read and corrected"
    )
    empty_refusals: bool = Field(
        False,
        description="Assumed: a 4xx without a body comes from a proxy, not from Heartland; on: it is Heartland's no",
    )
    read_lag_seconds: float = Field(
        10.0, ge=0, description="Assumed: a write shows in reads after this long at the latest"
    )


def read_settings(settings: Mapping[str, Any]) -> HeartlandSettings:
    """The Heartland part of a connection's settings. Raises Misconfigured, naming each wrong one."""
    try:
        return HeartlandSettings.model_validate(settings)
    except ValidationError as error:
        lines = [f"{'.'.join(str(part) for part in e['loc'])}: {e['msg']}" for e in error.errors()]
        raise Misconfigured("connection settings: " + "; ".join(lines)) from None
