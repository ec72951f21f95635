"""What of an order can be fulfilled in Shopify, and which calls bring a shipment there. Pure.

Shopify fulfils *fulfilment orders*: the part of an order that one location ships. One `fulfillmentCreate` may span
several of them as long as their location is one, and it wants the ids of their lines, not those of the order's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from shared.canonical.fulfilment import Fulfilment, ShippedLine

_OPEN = {"OPEN", "IN_PROGRESS"}
# Two machines' clocks: how far Shopify's createdAt may lie before our note of the call.
CLOCK_SKEW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Remaining:
    """One line of one fulfilment order with what is still to ship."""

    fulfilment_order: str
    line: str
    order_line: str
    location: str
    sku: str
    quantity: int
    held: bool


@dataclass(frozen=True, slots=True)
class Part:
    """`quantity` units of one fulfilment-order line."""

    fulfilment_order: str
    line: str
    order_line: str
    location: str
    sku: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Allocation:
    """Where a shipment's units go, and what could not be placed."""

    parts: tuple[Part, ...]
    missing: tuple[ShippedLine, ...]
    held: bool

    def by_location(self) -> dict[str, tuple[Part, ...]]:
        """The parts of each call: Shopify takes one location a call."""
        locations = dict.fromkeys(part.location for part in self.parts)
        return {place: tuple(part for part in self.parts if part.location == place) for place in locations}


def remaining_lines(order: Mapping[str, Any]) -> list[Remaining]:
    """Every line that still has units to ship, of the fulfilment orders in the answer `order`."""
    return [
        Remaining(
            fulfilment_order=entry["id"],
            line=line["id"],
            order_line=line["lineItem"]["id"],
            location=_location(entry),
            sku=line.get("sku") or "",
            quantity=line["remainingQuantity"],
            held=entry["status"] not in _OPEN,
        )
        for entry in order["fulfillmentOrders"]["nodes"]
        if entry["status"] not in {"CLOSED", "CANCELLED", "INCOMPLETE"}
        for line in entry["lineItems"]["nodes"]
        if line["remainingQuantity"] > 0
    ]


def allocate(lines: Sequence[ShippedLine], remaining: Sequence[Remaining], preferred_location: str) -> Allocation:
    """Place each shipped line on fulfilment-order lines of its SKU, those of `preferred_location` first."""
    left = {entry.line: entry for entry in remaining}
    parts: list[Part] = []
    missing: list[ShippedLine] = []
    blocked = False
    for shipped in lines:
        wanted = shipped.quantity
        for entry in _candidates(shipped, left.values(), preferred_location):
            taken = min(wanted, entry.quantity)
            parts.append(Part(entry.fulfilment_order, entry.line, entry.order_line, entry.location, entry.sku, taken))
            left[entry.line] = replace(entry, quantity=entry.quantity - taken)
            wanted -= taken
            if wanted == 0:
                break
        if wanted:
            missing.append(shipped.model_copy(update={"quantity": wanted}))
            blocked = blocked or any(entry.held and _fits(shipped, entry) for entry in left.values())
    return Allocation(tuple(_merged(parts)), tuple(missing), blocked)


def still_to_place(lines: Sequence[ShippedLine], placed: Sequence[Part]) -> list[ShippedLine]:
    """The shipped lines less what earlier calls placed, SKU by SKU."""
    taken: dict[str, int] = {}
    for part in placed:
        taken[part.sku] = taken.get(part.sku, 0) + part.quantity
    left = []
    for line in lines:
        off = min(line.quantity, taken.get(line.sku, 0))
        taken[line.sku] = taken.get(line.sku, 0) - off
        if line.quantity > off:
            left.append(line.model_copy(update={"quantity": line.quantity - off}))
    return left


def creation_input(record: Fulfilment, parts: Sequence[Part]) -> dict[str, Any]:
    """The `FulfillmentInput` of one call."""
    orders = dict.fromkeys(part.fulfilment_order for part in parts)
    content: dict[str, Any] = {
        "notifyCustomer": record.notify_customer,
        "lineItemsByFulfillmentOrder": [
            {
                "fulfillmentOrderId": order,
                "fulfillmentOrderLineItems": [
                    {"id": part.line, "quantity": part.quantity} for part in parts if part.fulfilment_order == order
                ],
            }
            for order in orders
        ],
    }
    tracking = {"number": record.tracking_number, "company": record.carrier, "url": record.tracking_url}
    if any(tracking.values()):
        content["trackingInfo"] = {name: value for name, value in tracking.items() if value}
    return content


def find_created(
    order: Mapping[str, Any], record: Fulfilment, parts: Sequence[Part], sent_at: datetime, known: Iterable[str]
) -> str | None:
    """The id of the fulfilment that a call with an unknown outcome made, if it made one.

    Shopify keeps no reference of ours on a fulfilment. It is ours when it is not one we know, was made after we sent
    the call, and has the same units and tracking number; calls of one order never run side by side.
    """
    wanted = _units((part.order_line, part.quantity) for part in parts)
    others = set(known)
    for made in order["fulfillments"]:
        units = _units((line["lineItem"]["id"], line["quantity"]) for line in made["fulfillmentLineItems"]["nodes"])
        numbers = {info.get("number") or "" for info in made["trackingInfo"]} or {""}
        recent = datetime.fromisoformat(made["createdAt"]) >= sent_at - CLOCK_SKEW
        alive = made["status"] not in {"CANCELLED", "ERROR", "FAILURE"}
        if made["id"] not in others and units == wanted and record.tracking_number in numbers and recent and alive:
            return str(made["id"])
    return None


def _location(entry: Mapping[str, Any]) -> str:
    place = (entry.get("assignedLocation") or {}).get("location") or {}
    return str(place.get("id") or "")


def _candidates(shipped: ShippedLine, entries: Iterable[Remaining], preferred: str) -> list[Remaining]:
    fitting = [entry for entry in entries if entry.quantity and not entry.held and _fits(shipped, entry)]
    # The named order line first, then the preferred location; Python's sort keeps Shopify's order among equals.
    return sorted(fitting, key=lambda entry: (not _names(shipped, entry), entry.location != preferred))


def _fits(shipped: ShippedLine, entry: Remaining) -> bool:
    return entry.sku == shipped.sku or _names(shipped, entry)


def _names(shipped: ShippedLine, entry: Remaining) -> bool:
    return bool(shipped.order_line_id) and entry.order_line.endswith(f"/{shipped.order_line_id}")


def _merged(parts: Sequence[Part]) -> Iterable[Part]:
    """One part per fulfilment-order line: Shopify refuses a line named twice in one call."""
    for line in dict.fromkeys(part.line for part in parts):
        same = [part for part in parts if part.line == line]
        yield replace(same[0], quantity=sum(part.quantity for part in same))


def _units(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    units: dict[str, int] = {}
    for line, quantity in pairs:
        units[line] = units.get(line, 0) + quantity
    return units
