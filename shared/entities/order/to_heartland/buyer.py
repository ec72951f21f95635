"""Who bought an order: name, phone and what names the buyer in the ledger. Pure."""

from __future__ import annotations

import hashlib
from typing import TypeVar

from shared.entities.order.record import Order

K = TypeVar("K")
V = TypeVar("V")

# The vendor's own import tool puts this where a required name is unknown.
UNKNOWN = "?"
_REMEMBERED = 500


def key_of(order: Order) -> str:
    """What names a buyer: the e-mail address (hashed: the ledger holds no personal data), else the id or the order."""
    customer = order.customer
    if customer.email:
        return hashlib.sha256(customer.email.strip().lower().encode()).hexdigest()
    return customer.shopify_id or f"order:{order.id}"


def names(order: Order) -> tuple[str, str]:
    people = (order.customer, order.billing_address, order.shipping_address)
    named = ((one.first_name.strip(), one.last_name.strip()) for one in people if one)
    return next((pair for pair in named if any(pair)), ("", ""))


def phone(order: Order) -> str:
    people = (order.customer, order.billing_address, order.shipping_address)
    return next((one.phone.strip() for one in people if one and one.phone.strip()), "")


def remember(memory: dict[K, V], name: K, value: V) -> None:
    """Keep the newest entries only."""
    memory.pop(name, None)
    memory[name] = value
    if len(memory) > _REMEMBERED:
        del memory[next(iter(memory))]
