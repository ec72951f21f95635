"""What a merchant may set for orders. Everything has a default.

What Heartland does not document is a flag, with the assumption in its description.
"""

from __future__ import annotations

from pydantic import Field

from shared.definitions.section import FIXED, NOT_WRITTEN, Section


class HeartlandOrderSettings(Section):
    """How orders are written into Heartland."""

    source_location_id: int | None = Field(None, description="Location that web orders are booked for")
    source_location: str = Field("", description="The same by its name or number, where no id is given")
    station_id: int | None = Field(None, description="Register for web orders; else the location's first")
    ship_from_location_id: int | None = Field(None, description="Where lines ship from; else the booking location")
    shipping_method_id: int | None = Field(None, description="Shipping method of web orders; none if not set")
    sales_rep: str = Field("Shopify", description="Text that Heartland shows as the sales person of web orders")
    order_prefix: str = Field("S-", description="Precedes Shopify's order name in Heartland's order number")
    order_id_field: str = Field(
        "shopify_order_id",
        min_length=1,
        description="Custom field of orders for Shopify's order id; fixed once orders are written",
        json_schema_extra=FIXED,
    )
    line_id_field: str = Field(
        "shopify_line_id",
        min_length=1,
        description="Custom field of order lines for Shopify's line id; fixed once orders are written",
        json_schema_extra=FIXED,
    )
    transaction_id_field: str = Field(
        "shopify_transaction_id",
        min_length=1,
        description="Custom field of payments for Shopify's transaction id; fixed once orders are written",
        json_schema_extra=FIXED,
    )
    note_field: str = Field("", description="Custom field of orders for the buyer's note; empty for none")
    placeholder_sku: str = Field(
        "MISC", min_length=1, description="Item for lines without SKU; created when first needed"
    )
    tip_sku: str = Field("TIP", min_length=1, description="Item that carries tips")
    duty_sku: str = Field("DUTY", min_length=1, description="Item that carries duties")
    fee_sku: str = Field("FEE", min_length=1, description="Item that carries fees")
    rounding_sku: str = Field("ROUNDING", min_length=1, description="Item that carries cash rounding, up or down")
    discount_sku: str = Field(
        "DISCOUNT", min_length=1, description="Item for discounts of an order as a whole (old records)"
    )
    payment_types: dict[str, int] = Field(
        {}, description="Heartland payment type id by Shopify gateway; others are found by name, or created"
    )
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
        True,
        description="Assumed: Heartland refuses a taken order number; off: it is looked up before each create",
        json_schema_extra=NOT_WRITTEN,
    )
    tax_recomputed: bool = Field(
        True, description="Assumed: Heartland may add its own tax to an order, so taxes are read and corrected"
    )

    @property
    def amount_skus(self) -> frozenset[str]:
        """Items whose lines carry amounts, not goods: Heartland's orders have no other place for them."""
        return frozenset((self.tip_sku, self.duty_sku, self.fee_sku, self.rounding_sku, self.discount_sku))


class ShopifyOrderSettings(Section):
    """How orders are read from Shopify."""

    read_back: bool = Field(
        True,
        description="Whether each order is read from the API. If not, a webhook's own body is used where it is "
        "complete; a body lacks the payments, so paid orders are read in any case",
    )
