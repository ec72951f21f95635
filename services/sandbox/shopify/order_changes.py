"""Mutations of orders and tags."""

from __future__ import annotations

from typing import Any, Final

from services.sandbox.shopify import admin
from services.sandbox.shopify.gid import gid
from services.sandbox.shopify.graphql_errors import user_error
from services.sandbox.shopify.lookups import node
from services.sandbox.shopify.metafield_changes import set_many
from services.sandbox.shopify.money import Json
from services.sandbox.shopify.order_views import can_mark_as_paid
from services.sandbox.shopify.records import CustomerView, OrderView, ProductView
from services.sandbox.shopify.shapes import words
from services.sandbox.shopify.shop import Shop

ADDRESS_KEYS: Final = {
    "address1": "address1",
    "address2": "address2",
    "city": "city",
    "company": "company",
    "countryCode": "country_code",
    "country": "country",
    "firstName": "first_name",
    "lastName": "last_name",
    "phone": "phone",
    "provinceCode": "province_code",
    "province": "province",
    "zip": "zip",
}
PLAIN_KEYS: Final = {"note": "note", "email": "email", "phone": "phone", "poNumber": "po_number"}


def find_order(shop: Shop, text: str) -> OrderView | None:
    found: OrderView | None = node(shop, text, "Order")
    return found


def owner(shop: Shop, text: str) -> Any:
    """The record with this id if it can own metafields, else None."""
    found = node(shop, text)
    return found if found is not None and hasattr(found, "shop") else None


def set_metafields(shop: Shop, args: Json) -> Json:
    views, errors = set_many(shop, args["metafields"], owner)
    return {"metafields": None if errors else views, "userErrors": errors}


def add_tags(shop: Shop, args: Json) -> Json:
    return _change_tags(shop, args["id"], lambda before: [*before, *args["tags"]])


def remove_tags(shop: Shop, args: Json) -> Json:
    gone = {tag.strip().lower() for tag in args["tags"]}
    return _change_tags(shop, args["id"], lambda before: [tag for tag in before if tag.lower() not in gone])


def _change_tags(shop: Shop, text: str, change: Any) -> Json:
    found = node(shop, text)
    if not isinstance(found, OrderView | CustomerView | ProductView):
        return {"node": None, "userErrors": [user_error("The resource does not exist or has no tags", "id")]}
    if isinstance(found, OrderView):
        _tag_order(shop, found, change)
    elif isinstance(found, CustomerView):
        found.data["tags"] = ", ".join(words(change(words(found.data.get("tags")))))
        shop.customers.note(found.data, shop.world.clock.monotonic())
    else:
        shop.tags[text] = words(change(shop.tags.get(text, [])))
    return {"node": found, "userErrors": []}


def _tag_order(shop: Shop, order: OrderView, change: Any) -> None:
    rest = order.doc["rest"]
    before = words(rest.get("tags"))
    after = words(change(before))
    if after != before:
        rest["tags"] = ", ".join(after)
        shop.touch(order.doc)
        shop.announce(order.doc, ("orders/updated",))


def update(shop: Shop, args: Json) -> Json:
    """Updates an order: given lists are replaced, omitted fields stay."""
    given = args["input"]
    order = find_order(shop, given["id"])
    if order is None:
        return {"order": None, "userErrors": [user_error("Order does not exist", "id")]}
    if given.get("metafields"):
        rows = [{**row, "ownerId": given["id"]} for row in given["metafields"]]
        _, errors = set_many(shop, rows, owner)
        if errors:
            return {"order": None, "userErrors": [user_error(row["message"], "metafields") for row in errors]}
    rest = order.doc["rest"]
    rest.update({PLAIN_KEYS[name]: given[name] for name in PLAIN_KEYS if name in given})
    if "tags" in given:
        rest["tags"] = ", ".join(words(given["tags"] or []))
    if "customAttributes" in given:
        rows = given["customAttributes"] or []
        rest["note_attributes"] = [{"name": row["key"], "value": row["value"]} for row in rows]
    if given.get("shippingAddress"):
        changed = {
            ADDRESS_KEYS[name]: value for name, value in given["shippingAddress"].items() if name in ADDRESS_KEYS
        }
        rest["shipping_address"] = {**(rest.get("shipping_address") or {}), **changed}
    shop.touch(order.doc)
    shop.announce(order.doc, ("orders/updated",))
    return {"order": order, "userErrors": []}


def cancel(shop: Shop, args: Json) -> Json:
    order = find_order(shop, args["orderId"])
    if order is None:
        return _not_cancelled("Order does not exist", "NOT_FOUND")
    method = args.get("refundMethod") or {}
    refund = bool(args.get("refund") or method.get("originalPaymentMethodsRefund"))
    try:
        admin.cancel(shop, order.doc, args["reason"], refund=refund, note=args.get("staffNote"))
    except admin.InvalidChange as bad_request_answer:
        return _not_cancelled(str(bad_request_answer), "INVALID")
    job = {"id": gid("Job", next(shop.ids)), "done": True}
    return {"job": job, "orderCancelUserErrors": [], "userErrors": []}


def _not_cancelled(message: str, code: str) -> Json:
    error = user_error(message, "orderId", code=code)
    return {"job": None, "orderCancelUserErrors": [error], "userErrors": [error]}


def mark_as_paid(shop: Shop, args: Json) -> Json:
    order = find_order(shop, args["input"]["id"])
    if order is None:
        return {"order": None, "userErrors": [user_error("Order does not exist", "id")]}
    if not can_mark_as_paid(order, {}):
        return {"order": None, "userErrors": [user_error("Order cannot be marked as paid.", "id")]}
    admin.pay(shop, order.doc)
    return {"order": OrderView(shop, order.doc), "userErrors": []}
