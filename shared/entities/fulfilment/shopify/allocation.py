"""Allocates a shipment to Shopify's fulfilment orders, and builds the calls that fulfil it. Pure.

Shopify splits an order into *fulfilment orders*, each shipped by one location. One `fulfillmentCreate` may cover
several of them if they have the same location. It takes the ids of their lines, not those of the order's lines.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self
from urllib.parse import urlsplit

from shared.entities.fulfilment.record import Fulfilment, ShippedLine

_OPEN = {"OPEN", "IN_PROGRESS"}
_FINISHED = {"CLOSED", "CANCELLED", "INCOMPLETE"}
_FAILED = {"ERROR", "FAILURE"}
Tracking = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RemainingLine:
    """A line of a fulfilment order with units left to ship. `on_hold`: its status does not allow that now."""

    fulfilment_order: str
    line: str
    order_line: str
    location: str
    sku: str
    quantity: int
    on_hold: bool


@dataclass(frozen=True, slots=True)
class AllocatedUnits:
    """`quantity` units of Heartland's `item`, taken from one fulfilment-order line."""

    fulfilment_order: str
    line: str
    order_line: str
    location: str
    item: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Allocation:
    """The allocated units of a shipment, and the lines that could not be allocated.

    `on_hold`: some of the missing units are in fulfilment orders that are on hold.
    """

    parts: tuple[AllocatedUnits, ...]
    missing: tuple[ShippedLine, ...]
    on_hold: bool

    def by_location(self) -> dict[str, tuple[AllocatedUnits, ...]]:
        """The parts by location: each location needs a call of its own."""
        locations = dict.fromkeys(part.location for part in self.parts)
        return {location: tuple(part for part in self.parts if part.location == location) for location in locations}


@dataclass(frozen=True, slots=True)
class FulfilmentCall:
    """The input of one `fulfillmentCreate`.

    `before` are the ids of the order's fulfilments that existed before it.
    """

    parts: tuple[AllocatedUnits, ...]
    tracking: Tracking
    before: tuple[str, ...]

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self:
        parts = tuple(AllocatedUnits(**part) for part in stored["parts"])
        return cls(parts, stored["tracking"], tuple(stored["before"]))

    def stored(self) -> dict[str, Any]:
        return {
            "parts": [asdict(part) for part in self.parts],
            "tracking": dict(self.tracking),
            "before": list(self.before),
        }


def remaining_lines(order: Mapping[str, Any]) -> list[RemainingLine]:
    """Every line with units left to ship, of the fulfilment orders in `order` as Shopify returned it."""
    return [
        RemainingLine(
            fulfilment_order=entry["id"],
            line=line["id"],
            order_line=line["lineItem"]["id"],
            location=_location(entry),
            sku=line.get("sku") or "",
            quantity=line["remainingQuantity"],
            on_hold=not _is_open(entry),
        )
        for entry in order["fulfillmentOrders"]["nodes"]
        if entry["status"] not in _FINISHED
        for line in entry["lineItems"]["nodes"]
        if line["remainingQuantity"] > 0
    ]


def allocate(lines: Sequence[ShippedLine], remaining: Sequence[RemainingLine], preferred_location: str) -> Allocation:
    """Allocate shipped lines to fulfilment-order lines of their SKU, `preferred_location` first."""
    left = {entry.line: entry for entry in remaining}
    parts: list[AllocatedUnits] = []
    missing: list[ShippedLine] = []
    # Lines with a known order line are allocated first, since the others fit more lines.
    for shipped in sorted(lines, key=lambda line: not line.order_line_id):
        unallocated = shipped.quantity
        for entry in _candidates(shipped, left.values(), preferred_location):
            taken = min(unallocated, entry.quantity)
            if taken:
                parts.append(_allocated(entry, shipped, taken))
                left[entry.line] = replace(entry, quantity=entry.quantity - taken)
                unallocated -= taken
        if unallocated:
            missing.append(shipped.model_copy(update={"quantity": unallocated}))
    on_hold = any(entry.on_hold and _fits(line, entry) for line in missing for entry in remaining)
    return Allocation(tuple(parts), tuple(missing), on_hold)


def unallocated_lines(lines: Sequence[ShippedLine], allocated: Sequence[AllocatedUnits]) -> list[ShippedLine]:
    """The shipped lines without the units that earlier calls allocated, compared by item."""
    taken = _units((part.item, part.quantity) for part in allocated)
    left = []
    for line in lines:
        covered = min(line.quantity, taken.get(line.item_id, 0))
        taken[line.item_id] = taken.get(line.item_id, 0) - covered
        if line.quantity > covered:
            left.append(line.model_copy(update={"quantity": line.quantity - covered}))
    return left


def tracking_of(record: Fulfilment) -> dict[str, str]:
    """The shipment's `FulfillmentTrackingInput`, empty if it has no tracking.

    An invalid tracking URL is left out: Shopify would refuse the whole fulfilment because of it.
    """
    url = record.tracking_url if _is_url(record.tracking_url) else ""
    tracking = {"number": record.tracking_number, "company": record.carrier, "url": url}
    return {name: value for name, value in tracking.items() if value}


def creation_input(call: FulfilmentCall, *, notify: bool) -> dict[str, Any]:
    """The `FulfillmentInput` of one call.

    Shopify refuses a repeated fulfilment-order line, so units are summed.
    """
    orders: dict[str, dict[str, int]] = {}
    for part in call.parts:
        units = orders.setdefault(part.fulfilment_order, {})
        units[part.line] = units.get(part.line, 0) + part.quantity
    content: dict[str, Any] = {
        "notifyCustomer": notify,
        "lineItemsByFulfillmentOrder": [
            {
                "fulfillmentOrderId": order,
                "fulfillmentOrderLineItems": [{"id": line, "quantity": quantity} for line, quantity in units.items()],
            }
            for order, units in orders.items()
        ],
    }
    return {**content, "trackingInfo": dict(call.tracking)} if call.tracking else content


def candidates(order: Mapping[str, Any], call: FulfilmentCall, known: Collection[str]) -> list[Mapping[str, Any]]:
    """The fulfilments that a call in doubt may have made; their units are compared afterwards.

    A fulfilment has no field for our reference. So the call made it if it did not exist before the call, is not in
    `known`, and has the call's tracking number and units. Calls for one order never run concurrently.
    """
    return [
        fulfilment
        for fulfilment in order["fulfillments"]
        if fulfilment["id"] not in call.before
        and fulfilment["id"] not in known
        and fulfilment["status"] not in _FAILED
        and call.tracking.get("number", "") in _numbers(fulfilment)
    ]


def is_made_by(call: FulfilmentCall, fulfilment: Mapping[str, Any]) -> bool:
    """Whether the fulfilment (with all its lines) has exactly the units of the call."""
    lines = fulfilment["fulfillmentLineItems"]["nodes"]
    units = _units((line["lineItem"]["id"], line["quantity"] or 0) for line in lines)
    return units == _units((part.order_line, part.quantity) for part in call.parts)


def shows_tracking(fulfilment: Mapping[str, Any], tracking: Tracking) -> bool:
    """Whether Shopify shows this tracking on the fulfilment."""
    return any(
        all((info.get(name) or "") == value for name, value in tracking.items()) for info in fulfilment["trackingInfo"]
    )


def _is_open(entry: Mapping[str, Any]) -> bool:
    actions = {action["action"] for action in entry["supportedActions"]}
    return entry["status"] in _OPEN and "CREATE_FULFILLMENT" in actions


def _location(entry: Mapping[str, Any]) -> str:
    location = (entry.get("assignedLocation") or {}).get("location") or {}
    return str(location.get("id") or "")


def _candidates(shipped: ShippedLine, entries: Iterable[RemainingLine], preferred: str) -> list[RemainingLine]:
    fitting = [entry for entry in entries if entry.quantity and not entry.on_hold and _fits(shipped, entry)]
    # The line's own order line first, then the preferred location. The sort is stable: Shopify's order among equals.
    return sorted(fitting, key=lambda entry: (not _is_order_line_of(shipped, entry), entry.location != preferred))


def _allocated(entry: RemainingLine, shipped: ShippedLine, quantity: int) -> AllocatedUnits:
    return AllocatedUnits(
        entry.fulfilment_order, entry.line, entry.order_line, entry.location, shipped.item_id, quantity
    )


def _fits(shipped: ShippedLine, entry: RemainingLine) -> bool:
    return entry.sku == shipped.sku or _is_order_line_of(shipped, entry)


def _is_order_line_of(shipped: ShippedLine, entry: RemainingLine) -> bool:
    return bool(shipped.order_line_id) and entry.order_line.endswith(f"/{shipped.order_line_id}")


def _numbers(fulfilment: Mapping[str, Any]) -> set[str]:
    return {info.get("number") or "" for info in fulfilment["trackingInfo"]} or {""}


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and text.isascii() and " " not in text


def _units(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    units: dict[str, int] = {}
    for line, quantity in pairs:
        units[line] = units.get(line, 0) + quantity
    return units
