"""Allocates a shipment to Shopify's fulfilment orders, and builds the calls that fulfil it. Pure.

Shopify fulfils *fulfilment orders*: the part of an order that one location ships. One `fulfillmentCreate` may span
several of them if they share one location, and it takes the ids of their lines, not those of the order's lines.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self
from urllib.parse import urlsplit

from shared.entities.fulfilment.record import Fulfilment, ShippedLine

_OPEN = {"OPEN", "IN_PROGRESS"}
_OVER = {"CLOSED", "CANCELLED", "INCOMPLETE"}
_NEVER_LEFT = {"ERROR", "FAILURE"}
Tracking = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RemainingLine:
    """One line of a fulfilment order with the units left to ship. `held`: its status does not allow that now."""

    fulfilment_order: str
    line: str
    order_line: str
    location: str
    sku: str
    quantity: int
    held: bool


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
    """Where a shipment's units go, and what could not be placed. `held`: some of that is there, but on hold."""

    parts: tuple[AllocatedUnits, ...]
    missing: tuple[ShippedLine, ...]
    held: bool

    def by_location(self) -> dict[str, tuple[AllocatedUnits, ...]]:
        """The parts of each call: Shopify takes one location a call."""
        locations = dict.fromkeys(part.location for part in self.parts)
        return {place: tuple(part for part in self.parts if part.location == place) for place in locations}


@dataclass(frozen=True, slots=True)
class FulfilmentCall:
    """What one `fulfillmentCreate` was sent with, and the ids of the order's fulfilments as read before it."""

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
    """Every line that still has units to ship, of the fulfilment orders in the answer `order`."""
    return [
        RemainingLine(
            fulfilment_order=entry["id"],
            line=line["id"],
            order_line=line["lineItem"]["id"],
            location=_location(entry),
            sku=line.get("sku") or "",
            quantity=line["remainingQuantity"],
            held=not _is_open(entry),
        )
        for entry in order["fulfillmentOrders"]["nodes"]
        if entry["status"] not in _OVER
        for line in entry["lineItems"]["nodes"]
        if line["remainingQuantity"] > 0
    ]


def allocate(lines: Sequence[ShippedLine], remaining: Sequence[RemainingLine], preferred_location: str) -> Allocation:
    """Place each shipped line on fulfilment-order lines of its SKU, those of `preferred_location` first."""
    left = {entry.line: entry for entry in remaining}
    parts: list[AllocatedUnits] = []
    missing: list[ShippedLine] = []
    # Lines that name their order line are placed first: the others can go anywhere.
    for shipped in sorted(lines, key=lambda line: not line.order_line_id):
        wanted = shipped.quantity
        for entry in _candidates(shipped, left.values(), preferred_location):
            taken = min(wanted, entry.quantity)
            if taken:
                parts.append(_part(entry, shipped, taken))
                left[entry.line] = replace(entry, quantity=entry.quantity - taken)
                wanted -= taken
        if wanted:
            missing.append(shipped.model_copy(update={"quantity": wanted}))
    held = any(entry.held and _fits(line, entry) for line in missing for entry in remaining)
    return Allocation(tuple(parts), tuple(missing), held)


def still_to_place(lines: Sequence[ShippedLine], placed: Sequence[AllocatedUnits]) -> list[ShippedLine]:
    """The shipped lines less what earlier calls placed, item by item."""
    taken = _units((part.item, part.quantity) for part in placed)
    left = []
    for line in lines:
        off = min(line.quantity, taken.get(line.item_id, 0))
        taken[line.item_id] = taken.get(line.item_id, 0) - off
        if line.quantity > off:
            left.append(line.model_copy(update={"quantity": line.quantity - off}))
    return left


def tracking_of(record: Fulfilment) -> dict[str, str]:
    """The shipment's `FulfillmentTrackingInput`, empty where nothing is known.

    An invalid tracking URL is left out: Shopify would refuse the whole fulfilment because of it.
    """
    url = record.tracking_url if _is_address(record.tracking_url) else ""
    tracking = {"number": record.tracking_number, "company": record.carrier, "url": url}
    return {name: value for name, value in tracking.items() if value}


def creation_input(call: FulfilmentCall, *, notify: bool) -> dict[str, Any]:
    """The `FulfillmentInput` of one call. A fulfilment-order line stands in it once: Shopify refuses it twice."""
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
    """The fulfilments that a call with an unknown outcome may have made; their units are compared afterwards.

    Shopify stores no reference of ours on a fulfilment. So it is ours if it did not exist before the call, is not in
    `known`, and has the call's tracking number and units: calls of one order never run concurrently.
    """
    return [
        made
        for made in order["fulfillments"]
        if made["id"] not in call.before
        and made["id"] not in known
        and made["status"] not in _NEVER_LEFT
        and call.tracking.get("number", "") in _numbers(made)
    ]


def is_made_by(call: FulfilmentCall, fulfilment: Mapping[str, Any]) -> bool:
    """Whether the fulfilment (with all its lines) holds exactly what the call was sent with."""
    lines = fulfilment["fulfillmentLineItems"]["nodes"]
    held = _units((line["lineItem"]["id"], line["quantity"] or 0) for line in lines)
    return held == _units((part.order_line, part.quantity) for part in call.parts)


def shows_tracking(fulfilment: Mapping[str, Any], tracking: Tracking) -> bool:
    """Whether Shopify shows this tracking on the fulfilment."""
    return any(
        all((info.get(name) or "") == value for name, value in tracking.items()) for info in fulfilment["trackingInfo"]
    )


def _is_open(entry: Mapping[str, Any]) -> bool:
    actions = {action["action"] for action in entry["supportedActions"]}
    return entry["status"] in _OPEN and "CREATE_FULFILLMENT" in actions


def _location(entry: Mapping[str, Any]) -> str:
    place = (entry.get("assignedLocation") or {}).get("location") or {}
    return str(place.get("id") or "")


def _candidates(shipped: ShippedLine, entries: Iterable[RemainingLine], preferred: str) -> list[RemainingLine]:
    fitting = [entry for entry in entries if entry.quantity and not entry.held and _fits(shipped, entry)]
    # The named order line first, then the preferred location; Python's sort keeps Shopify's order among equals.
    return sorted(fitting, key=lambda entry: (not _names(shipped, entry), entry.location != preferred))


def _part(entry: RemainingLine, shipped: ShippedLine, quantity: int) -> AllocatedUnits:
    return AllocatedUnits(
        entry.fulfilment_order, entry.line, entry.order_line, entry.location, shipped.item_id, quantity
    )


def _fits(shipped: ShippedLine, entry: RemainingLine) -> bool:
    return entry.sku == shipped.sku or _names(shipped, entry)


def _names(shipped: ShippedLine, entry: RemainingLine) -> bool:
    return bool(shipped.order_line_id) and entry.order_line.endswith(f"/{shipped.order_line_id}")


def _numbers(fulfilment: Mapping[str, Any]) -> set[str]:
    return {info.get("number") or "" for info in fulfilment["trackingInfo"]} or {""}


def _is_address(text: str) -> bool:
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
