"""The buyer of an order: name, phone, and the buyer's key in the ledger. Pure."""

from __future__ import annotations

import hashlib
from typing import TypeVar

from shared.entities.order.record import Order

K = TypeVar("K")
V = TypeVar("V")

# The vendor's own import tool puts this where a required name is unknown.
UNKNOWN = "?"
_KEPT_AT_MOST = 500


def buyer_key(order: Order) -> str:
    """The buyer's key: a hash of the e-mail address, since the ledger holds no personal data; else an id."""
    customer = order.customer
    if customer.email:
        return hashlib.sha256(customer.email.strip().lower().encode()).hexdigest()
    return customer.shopify_id or f"order:{order.id}"


def buyer_name(order: Order) -> tuple[str, str]:
    """First and last name, from the first of customer, billing and shipping address that has one."""
    sources = (order.customer, order.billing_address, order.shipping_address)
    pairs = ((source.first_name.strip(), source.last_name.strip()) for source in sources if source)
    return next((pair for pair in pairs if any(pair)), ("", ""))


def buyer_phone(order: Order) -> str:
    """The phone number, from the first of customer, billing and shipping address that has one."""
    sources = (order.customer, order.billing_address, order.shipping_address)
    return next((source.phone.strip() for source in sources if source and source.phone.strip()), "")


def keep_newest(cache: dict[K, V], key: K, value: V) -> None:
    """Store the value, and drop the oldest entry once the cache is full."""
    cache.pop(key, None)
    cache[key] = value
    if len(cache) > _KEPT_AT_MOST:
        del cache[next(iter(cache))]
