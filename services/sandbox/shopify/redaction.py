"""Removes personal data for an app without access to it; provinces and countries stay."""

from __future__ import annotations

from typing import Final

from services.sandbox.shopify.money import Json

OF_ADDRESSES: Final = ("first_name", "last_name", "name", "company", "address1", "address2", "city", "zip", "phone")
OF_CUSTOMERS: Final = ("first_name", "last_name", "email", "phone", "default_address", "addresses", "note")
OF_ORDERS: Final = ("email", "contact_email", "phone", "browser_ip")


def redacted_order(rest: Json) -> Json:
    """The order body without personal data."""
    shown: Json = {**rest, **{key: None for key in OF_ORDERS if key in rest}}
    for name in ("billing_address", "shipping_address"):
        if isinstance(rest.get(name), dict):
            shown[name] = {**rest[name], **dict.fromkeys((*OF_ADDRESSES, "latitude", "longitude"))}
    if isinstance(rest.get("customer"), dict):
        shown["customer"] = redacted_customer(rest["customer"])
    return shown


def redacted_customer(customer: Json) -> Json:
    return {name: value for name, value in customer.items() if name not in OF_CUSTOMERS}
