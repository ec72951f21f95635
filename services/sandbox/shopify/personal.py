"""What an app sees that may not see personal data: places, but no people."""

from __future__ import annotations

from typing import Final

from services.sandbox.shopify.money import Json

OF_ADDRESSES: Final = ("first_name", "last_name", "name", "company", "address1", "address2", "city", "zip", "phone")
OF_CUSTOMERS: Final = ("first_name", "last_name", "email", "phone", "default_address", "addresses", "note")
OF_ORDERS: Final = ("email", "contact_email", "phone", "browser_ip")


def without_people(rest: Json) -> Json:
    """An order's body without personal data."""
    shown: Json = {**rest, **{key: None for key in OF_ORDERS if key in rest}}
    for name in ("billing_address", "shipping_address"):
        if isinstance(rest.get(name), dict):
            shown[name] = {**rest[name], **dict.fromkeys((*OF_ADDRESSES, "latitude", "longitude"))}
    if isinstance(rest.get("customer"), dict):
        shown["customer"] = nameless(rest["customer"])
    return shown


def nameless(customer: Json) -> Json:
    return {name: value for name, value in customer.items() if name not in OF_CUSTOMERS}
