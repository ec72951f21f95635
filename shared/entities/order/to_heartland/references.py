"""The Heartland ids that an order refers to: items, payment types, customer, addresses, location."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shared.entities.order.to_heartland.customers import Buyer
from shared.entities.order.to_heartland.location import BookingLocation


@dataclass(frozen=True, slots=True)
class References:
    """`items` are by SKU, `payment_types` by gateway."""

    items: Mapping[str, int]
    payment_types: Mapping[str, int]
    customer_id: int | None
    billing_address_id: int | None
    shipping_address_id: int | None
    source_location_id: int
    station_id: int
    ship_from_location_id: int


def references(
    items: Mapping[str, int], payment_types: Mapping[str, int], location: BookingLocation, buyer: Buyer
) -> References:
    """Combines what was found."""
    return References(
        items=items,
        payment_types=payment_types,
        customer_id=buyer.customer_id,
        billing_address_id=buyer.billing_address_id,
        shipping_address_id=buyer.shipping_address_id,
        source_location_id=location.source_location_id,
        station_id=location.station_id,
        ship_from_location_id=location.ship_from_location_id,
    )
