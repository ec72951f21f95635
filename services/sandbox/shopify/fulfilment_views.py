"""GraphQL resolvers of fulfilment orders and fulfilments."""

from __future__ import annotations

from typing import Any, Final

from services.sandbox.shopify import totals
from services.sandbox.shopify.executor import Resolver
from services.sandbox.shopify.gid import gid, numeric
from services.sandbox.shopify.money import Json, amount
from services.sandbox.shopify.paging import page
from services.sandbox.shopify.records import LocationView, OrderView, Part, VariantView, location_view
from services.sandbox.shopify.shipping import LIVE, fulfilments
from services.sandbox.shopify.timestamps import EPOCH, graphql_time

SUCCESSFUL: Final = (None, "", "success", "open", "pending")


def line_of(order: OrderView, line_id: int) -> Json:
    found = next((row for row in totals.lines(order.rest) if row["id"] == line_id), None)
    return found or {"id": line_id, "quantity": 0, "title": ""}


def assigned(part: Part, _: Json) -> Json:
    place = location_view(part.order.shop, part.data["location_id"])
    names = ("name", "address1", "address2", "city", "province", "zip", "phone")
    shown = {name: place.data.get(name) for name in names}
    return {**shown, "countryCode": place.data.get("country_code") or "US", "location": place}


def actions(part: Part, _: Json) -> list[Json]:
    by_status = {
        "OPEN": ("CREATE_FULFILLMENT", "HOLD", "MOVE", "SPLIT"),
        "IN_PROGRESS": ("CREATE_FULFILLMENT", "HOLD", "MOVE"),
        "ON_HOLD": ("RELEASE_HOLD",),
    }
    return [{"action": action, "externalUrl": None} for action in by_status.get(part.data["status"], ())]


def holds(part: Part, _: Json) -> list[Json]:
    if not part.data.get("held"):
        return []
    reason = str(part.data["held"])
    return [
        {
            "id": gid("FulfillmentHold", part.data["id"]),
            "reason": reason,
            "reasonNotes": None,
            "displayReason": reason.replace("_", " ").capitalize(),
            "heldByRequestingApp": False,
        }
    ]


def delivery(part: Part, _: Json) -> Json:
    shipping = totals.shipping_lines(part.order.rest)
    return {
        "id": gid("DeliveryMethod", part.data["id"]),
        "methodType": "SHIPPING" if part.order.rest.get("shipping_address") else "NONE",
        "presentedName": shipping[0].get("title") if shipping else None,
        "serviceCode": shipping[0].get("code") if shipping else None,
    }


def rows(part: Part, args: Json) -> Any:
    asked_for = [row for row in part.data["lines"] if row["total"]]
    return page(asked_for, args, lambda row: Part("FulfillmentOrderLineItem", part.order, row))


def shipments(part: Part, args: Json) -> Any:
    mine = {row["id"] for row in part.data["lines"]}
    used = {int(key) for key, pairs in part.order.doc["shipments"].items() if mine & {pair[0] for pair in pairs}}
    found = [row for row in fulfilments(part.order.rest) if row["id"] in used]
    return page(found, args, lambda row: Part("Fulfillment", part.order, row))


FULFILMENT_ORDER: Final[dict[str, Resolver]] = {
    "id": lambda p, _: gid("FulfillmentOrder", p.data["id"]),
    "status": lambda p, _: p.data["status"],
    "requestStatus": lambda p, _: "UNSUBMITTED" if p.data["status"] in (*LIVE, "ON_HOLD") else "CLOSED",
    "createdAt": lambda p, _: graphql_time(p.data["created_at"]) or EPOCH,
    "updatedAt": lambda p, _: graphql_time(p.data.get("updated_at") or p.data["created_at"]) or EPOCH,
    "fulfillAt": lambda p, _: graphql_time(p.data["created_at"]),
    "fulfillBy": lambda p, _: None,
    "orderId": lambda p, _: gid("Order", p.order.rest["id"]),
    "orderName": lambda p, _: p.order.rest["name"],
    "orderProcessedAt": lambda p, _: graphql_time(p.order.rest.get("processed_at") or p.order.rest["created_at"]),
    "order": lambda p, _: p.order,
    "assignedLocation": assigned,
    "deliveryMethod": delivery,
    "supportedActions": actions,
    "fulfillmentHolds": holds,
    "lineItems": rows,
    "fulfillments": shipments,
}


def _line(part: Part, _: Json) -> Part:
    return Part("LineItem", part.order, line_of(part.order, part.data["line_id"]))


def _of_line(name: str, default: Any = None) -> Resolver:
    def read(part: Part, _: Json) -> Any:
        value = line_of(part.order, part.data["line_id"]).get(name)
        return default if value is None else value

    return read


def _variant(part: Part, _: Json) -> VariantView | None:
    number = line_of(part.order, part.data["line_id"]).get("variant_id")
    found = part.order.shop.catalog.variants.get(number or 0)
    return VariantView(part.order.shop, found) if found else None


def _inventory_item(part: Part, _: Json) -> str | None:
    found = _variant(part, {})
    return gid("InventoryItem", found.data.id) if found else None


FULFILMENT_ORDER_LINE: Final[dict[str, Resolver]] = {
    "id": lambda p, _: gid("FulfillmentOrderLineItem", p.data["id"]),
    "lineItem": _line,
    "sku": _of_line("sku"),
    "productTitle": _of_line("title", default=""),
    "variantTitle": _of_line("variant_title"),
    "vendor": _of_line("vendor"),
    "totalQuantity": lambda p, _: p.data["total"],
    "remainingQuantity": lambda p, _: p.data["remaining"],
    "requiresShipping": _of_line("requires_shipping", default=True),
    "inventoryItemId": _inventory_item,
    "variant": _variant,
}


def tracking(part: Part, args: Json) -> list[Json]:
    """Tracking numbers with their URLs; bodies have them as single values and as lists."""
    numbers = part.data.get("tracking_numbers") or [part.data.get("tracking_number")]
    urls = part.data.get("tracking_urls") or [part.data.get("tracking_url")]
    company = part.data.get("tracking_company")
    longest = max(len(numbers), len(urls))
    pairs = [
        (numbers[index] if index < len(numbers) else None, urls[index] if index < len(urls) else None)
        for index in range(longest)
    ]
    shown = [{"company": company, "number": number, "url": url} for number, url in pairs if number or url or company]
    return shown[: args.get("first")]


def status(part: Part, _: Json) -> str:
    found = part.data.get("status")
    return "SUCCESS" if found in SUCCESSFUL else str(found).upper()


def display_status(part: Part, _: Json) -> str:
    shown = {"SUCCESS": "FULFILLED", "CANCELLED": "CANCELED"}
    found = status(part, {})
    return shown.get(found, "FAILURE")


def lines(part: Part, args: Json) -> Any:
    return page(part.data.get("line_items") or [], args, lambda row: Part("FulfillmentLineItem", part.order, row))


def _location(part: Part, _: Json) -> LocationView | None:
    number = numeric(part.data.get("location_id"))
    return location_view(part.order.shop, number) if number else None


def _orders(part: Part, args: Json) -> Any:
    used = {pair[0] for pair in part.order.doc["shipments"].get(str(part.data["id"]), [])}
    found = [fo for fo in part.order.doc["fos"] if used & {row["id"] for row in fo["lines"]}]
    return page(found, args, lambda row: Part("FulfillmentOrder", part.order, row))


def _units(part: Part) -> int:
    return sum(int(amount(row.get("quantity"))) for row in part.data.get("line_items") or [])


FULFILMENT: Final[dict[str, Resolver]] = {
    "id": lambda p, _: gid("Fulfillment", p.data["id"]),
    "legacyResourceId": lambda p, _: str(p.data["id"]),
    "name": lambda p, _: str(p.data.get("name") or f"{p.order.rest['name']}-F1"),
    "status": status,
    "displayStatus": display_status,
    "createdAt": lambda p, _: graphql_time(p.data.get("created_at") or p.order.rest["created_at"]),
    "updatedAt": lambda p, _: graphql_time(p.data.get("updated_at") or p.order.rest["updated_at"]),
    "deliveredAt": lambda p, _: None,
    "estimatedDeliveryAt": lambda p, _: None,
    "inTransitAt": lambda p, _: None,
    "totalQuantity": lambda p, _: _units(p),
    "requiresShipping": lambda p, _: any(
        row.get("requires_shipping") is not False for row in p.data.get("line_items") or []
    ),
    "trackingInfo": tracking,
    "location": _location,
    "order": lambda p, _: p.order,
    "fulfillmentLineItems": lines,
    "fulfillmentOrders": _orders,
}
FULFILMENT_LINE: Final[dict[str, Resolver]] = {
    # Bodies have no id for these, so the fulfilled line's id is used.
    "id": lambda p, _: gid("FulfillmentLineItem", p.data["id"]),
    "quantity": lambda p, _: int(amount(p.data.get("quantity"))),
    "lineItem": lambda p, _: Part("LineItem", p.order, line_of(p.order, p.data["id"])),
    "originalTotalSet": lambda p, _: p.order.money.bag(totals.price(p.data) * int(amount(p.data.get("quantity")))),
    "discountedTotalSet": lambda p, _: p.order.money.bag(totals.price(p.data) * int(amount(p.data.get("quantity")))),
}
