"""Mutations of fulfilments: create, update tracking, cancel."""

from __future__ import annotations

from typing import Final

from services.sandbox.shopify import shipping, totals
from services.sandbox.shopify.gid import gid, parse
from services.sandbox.shopify.graphql_errors import user_error
from services.sandbox.shopify.lookups import part
from services.sandbox.shopify.money import Json
from services.sandbox.shopify.records import OrderView, Part
from services.sandbox.shopify.shop import Shop
from services.sandbox.shopify.timestamps import stamp

Picked = list[tuple[Json, int]]
GROUPS: Final = ("fulfillment", "lineItemsByFulfillmentOrder")
MOST_GROUPS: Final = 250


def create(shop: Shop, args: Json) -> Json:
    """Creates a fulfilment atomically: an invalid quantity or a closed fulfilment order rejects all of it."""
    given = args["fulfillment"]
    order, picked, errors = _pick(shop, given["lineItemsByFulfillmentOrder"])
    if errors or order is None:
        return {"fulfillment": None, "userErrors": errors}
    fulfilment = _new_fulfilment(shop, order, picked, given)
    _record(shop, order, fulfilment, picked, notify=bool(given.get("notifyCustomer")))
    return {"fulfillment": Part("Fulfillment", order, fulfilment), "userErrors": []}


def _pick(shop: Shop, groups: list[Json]) -> tuple[OrderView | None, Picked, list[Json]]:
    if not 0 < len(groups) <= MOST_GROUPS:
        return None, [], [user_error("Line items by fulfillment order can't be blank", *GROUPS)]
    found = [_fulfilment_order(shop, row["fulfillmentOrderId"]) for row in groups]
    orders = [part_ for part_ in found if part_ is not None]
    if len(orders) < len(found):
        return None, [], [user_error("Fulfillment order does not exist.", "fulfillment")]
    errors = _order_errors(orders)
    picked: Picked = []
    for group, fulfilment_order in zip(groups, orders, strict=True):
        lines, wrong = _pick_lines(fulfilment_order.data, group.get("fulfillmentOrderLineItems"))
        picked += lines
        errors += wrong
    if not errors and not picked:
        errors = [user_error("All line items have already been fulfilled.", "fulfillment")]
    return orders[0].order, picked, errors


def _fulfilment_order(shop: Shop, text: str) -> Part | None:
    found = parse(text)
    return part(shop, found[0], found[1]) if found and found[0] == "FulfillmentOrder" else None


def _order_errors(orders: list[Part]) -> list[Json]:
    errors = [
        user_error(
            f"Fulfillment order {row.data['id']} has an unfulfillable status= {row.data['status'].lower()}.",
            "fulfillment",
        )
        for row in orders
        if row.data["status"] not in shipping.LIVE
    ]
    if len({row.order.rest["id"] for row in orders}) > 1:
        errors.append(user_error("All fulfillment orders must belong to the same order.", "fulfillment"))
    elif len({row.data["location_id"] for row in orders}) > 1:
        errors.append(user_error("All fulfillment orders must be assigned to the same location.", "fulfillment"))
    if len({row.data["id"] for row in orders}) < len(orders):
        errors.append(user_error("Fulfillment orders must be unique.", "fulfillment"))
    return errors


def _pick_lines(order: Json, requested: list[Json] | None) -> tuple[Picked, list[Json]]:
    if not requested:
        return [(row, row["remaining"]) for row in order["lines"] if row["remaining"]], []
    by_gid = {gid("FulfillmentOrderLineItem", row["id"]): row for row in order["lines"]}
    picked: Picked = []
    errors = []
    for given in requested:
        row = by_gid.pop(given["id"], None)
        if row is None:
            errors.append(user_error("Fulfillment order line item does not exist.", "fulfillment"))
        elif not 0 < given["quantity"] <= row["remaining"]:
            errors.append(user_error("Invalid fulfillment order line item quantity requested.", "fulfillment"))
        else:
            picked.append((row, given["quantity"]))
    return picked, errors


def _new_fulfilment(shop: Shop, order: OrderView, picked: Picked, given: Json) -> Json:
    rest, now = order.doc["rest"], stamp(shop.now())
    units: dict[int, int] = {}
    for row, quantity in picked:
        units[row["line_id"]] = units.get(row["line_id"], 0) + quantity
    home = next(fo for fo in order.doc["fos"] if picked[0][0] in fo["lines"])
    number = next(shop.ids)
    return {
        "id": number,
        "admin_graphql_api_id": gid("Fulfillment", number),
        "order_id": rest["id"],
        "name": f"{rest['name']}.{len(shipping.fulfilments(rest)) + 1}",
        "status": "success",
        "service": "manual",
        "shipment_status": None,
        "location_id": home["location_id"],
        "created_at": now,
        "updated_at": now,
        "receipt": {},
        **_tracking(given.get("trackingInfo") or {}),
        "line_items": [{**line, "quantity": units[line["id"]]} for line in totals.lines(rest) if line["id"] in units],
    }


def _tracking(info: Json) -> Json:
    numbers = info.get("numbers") or [text for text in (info.get("number"),) if text]
    urls = info.get("urls") or [text for text in (info.get("url"),) if text]
    return {
        "tracking_company": info.get("company"),
        "tracking_number": numbers[0] if numbers else None,
        "tracking_numbers": numbers,
        "tracking_url": urls[0] if urls else None,
        "tracking_urls": urls,
    }


def _record(shop: Shop, order: OrderView, fulfilment: Json, picked: Picked, *, notify: bool) -> None:
    doc, rest = order.doc, order.doc["rest"]
    for row, quantity in picked:
        row["remaining"] -= quantity
    doc["shipments"][str(fulfilment["id"])] = [[row["id"], quantity] for row, quantity in picked]
    doc.setdefault("notified", {})[str(fulfilment["id"])] = notify
    rest["fulfillments"] = [*shipping.fulfilments(rest), fulfilment]
    shipping.mark_lines(rest)
    shop.update_fulfilment_orders(doc)
    shop.touch(doc)
    shop.announce_part(doc, "fulfillments/create", fulfilment)
    is_whole = rest["fulfillment_status"] == "fulfilled"
    shop.announce(doc, ("orders/fulfilled" if is_whole else "orders/partially_fulfilled", "orders/updated"))


def _found(shop: Shop, text: str) -> Part | None:
    found = parse(text)
    return part(shop, "Fulfillment", found[1]) if found and found[0] == "Fulfillment" else None


def update_tracking(shop: Shop, args: Json) -> Json:
    found = _found(shop, args["fulfillmentId"])
    if found is None:
        return {"fulfillment": None, "userErrors": [user_error("Fulfillment does not exist.", "fulfillmentId")]}
    if found.data.get("status") == "cancelled":
        return {"fulfillment": None, "userErrors": [user_error("Fulfillment is canceled.", "fulfillmentId")]}
    found.data.update(_tracking(args["trackingInfoInput"]), updated_at=stamp(shop.now()))
    if args.get("notifyCustomer") is not None:
        found.order.doc.setdefault("notified", {})[str(found.data["id"])] = args["notifyCustomer"]
    _announce(shop, found)
    return {"fulfillment": found, "userErrors": []}


def cancel(shop: Shop, args: Json) -> Json:
    found = _found(shop, args["id"])
    if found is None:
        return {"fulfillment": None, "userErrors": [user_error("Fulfillment not found.", "id")]}
    if found.data.get("status") == "cancelled":
        return {"fulfillment": None, "userErrors": [user_error("Fulfillment is already canceled.", "id")]}
    doc = found.order.doc
    found.data.update(status="cancelled", updated_at=stamp(shop.now()))
    _release(doc, doc["shipments"].pop(str(found.data["id"]), []))
    shipping.mark_lines(doc["rest"])
    shop.update_fulfilment_orders(doc)
    _announce(shop, found)
    return {"fulfillment": found, "userErrors": []}


def _release(doc: Json, pairs: list[list[int]]) -> None:
    rows = {row["id"]: row for fo in doc["fos"] for row in fo["lines"]}
    for row_id, quantity in pairs:
        rows[row_id]["remaining"] += quantity
    for fo in doc["fos"]:
        if fo["status"] == "CLOSED" and any(row["remaining"] for row in fo["lines"]):
            fo["status"] = "OPEN"


def _announce(shop: Shop, found: Part) -> None:
    shop.touch(found.order.doc)
    shop.announce_part(found.order.doc, "fulfillments/update", found.data)
    shop.announce(found.order.doc, ("orders/updated",))
