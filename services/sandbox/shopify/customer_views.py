"""GraphQL resolvers of customers."""

from __future__ import annotations

from typing import Any, Final

from services.sandbox.shopify.executor import Resolver
from services.sandbox.shopify.gid import gid
from services.sandbox.shopify.metafields import HOLDER
from services.sandbox.shopify.money import Json
from services.sandbox.shopify.paging import page
from services.sandbox.shopify.records import CustomerView, OrderView
from services.sandbox.shopify.shapes import address, words
from services.sandbox.shopify.timestamps import EPOCH, graphql_time


def key(name: str, default: Any = None) -> Resolver:
    def read(customer: CustomerView, _: Json) -> Any:
        value = customer.data.get(name)
        return default if value is None else value

    return read


def display_name(customer: CustomerView, _: Json) -> str:
    names = [str(customer.data[part]) for part in ("first_name", "last_name") if customer.data.get(part)]
    return " ".join(names) or str(customer.data.get("email") or customer.data.get("phone") or "")


def email(customer: CustomerView, _: Json) -> Json | None:
    found = customer.data.get("email")
    if not found:
        return None
    consent = customer.data.get("email_marketing_consent") or {}
    level = consent.get("opt_in_level")
    return {
        "emailAddress": found,
        "marketingState": str(consent.get("state") or "not_subscribed").upper(),
        "marketingOptInLevel": str(level).upper() if level else None,
        "marketingUpdatedAt": graphql_time(consent.get("consent_updated_at")),
        "validFormat": "@" in str(found),
    }


def phone(customer: CustomerView, _: Json) -> Json | None:
    found = customer.data.get("phone")
    return {"phoneNumber": found} if found else None


def default_address(customer: CustomerView, _: Json) -> Json | None:
    return address(customer.data["id"], customer.data.get("default_address"), "CustomerAddress")


def addresses(customer: CustomerView, args: Json) -> Any:
    rows = customer.data.get("addresses") or [customer.data.get("default_address")]
    shown = [address(customer.data["id"], row, "CustomerAddress") for row in rows if row]
    return page(shown, args)


def orders_of(customer: CustomerView) -> list[OrderView]:
    """The customer's orders; slow, since it opens every order of the shop."""
    docs = (customer.shop.orders.get(entry.id) for entry in list(customer.shop.orders.entries()))
    wanted = customer.data["id"]
    mine = [doc for doc in docs if doc and (doc["rest"].get("customer") or {}).get("id") == wanted]
    return [OrderView(customer.shop, doc) for doc in sorted(mine, key=lambda doc: str(doc["rest"]["created_at"]))]


def last_order(customer: CustomerView, _: Json) -> OrderView | None:
    found = orders_of(customer)
    return found[-1] if found else None


CUSTOMER: Final[dict[str, Resolver]] = {
    "id": lambda c, _: gid("Customer", c.data["id"]),
    "legacyResourceId": lambda c, _: str(c.data["id"]),
    "firstName": key("first_name"),
    "lastName": key("last_name"),
    "displayName": display_name,
    "email": key("email"),
    "phone": key("phone"),
    "defaultEmailAddress": email,
    "defaultPhoneNumber": phone,
    "defaultAddress": default_address,
    "addressesV2": addresses,
    "createdAt": lambda c, _: graphql_time(c.data.get("created_at")) or EPOCH,
    "updatedAt": lambda c, _: graphql_time(c.data.get("updated_at")) or EPOCH,
    "state": lambda c, _: str(c.data.get("state") or "disabled").upper(),
    "locale": key("locale", default="en"),
    "note": key("note"),
    "tags": lambda c, _: words(c.data.get("tags")),
    "taxExempt": key("tax_exempt", default=False),
    "verifiedEmail": key("verified_email", default=True),
    "numberOfOrders": lambda c, _: str(c.data.get("orders_count") or 0),
    "amountSpent": lambda c, _: {
        "amount": str(c.data.get("total_spent") or "0.00"),
        "currencyCode": c.data.get("currency") or c.shop.options.currency,
    },
    "orders": lambda c, args: page(orders_of(c), args, key=lambda order: (order.rest["id"],)),
    "lastOrder": last_order,
    **HOLDER,
}
