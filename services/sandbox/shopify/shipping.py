"""Fulfilment orders, kept consistent with the order's lines and fulfilments."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from services.sandbox.shopify import totals
from services.sandbox.shopify.money import Json, amount, number

DEAD: Final = ("failure", "cancelled", "error")
LIVE: Final = ("OPEN", "IN_PROGRESS")


def fulfilments(rest: Json) -> list[Json]:
    return rest.get("fulfillments") or []


def shipped(rest: Json, line_id: int) -> int:
    """Units of a line in fulfilments that were not cancelled."""
    return sum(
        int(amount(row.get("quantity")))
        for fulfilment in fulfilments(rest)
        if str(fulfilment.get("status")).lower() not in DEAD
        for row in fulfilment.get("line_items") or []
        if row.get("id") == line_id
    )


def remaining(rest: Json, line: Json) -> int:
    """Unshipped units: ordered, not removed, not fulfilled; at most the posted `fulfillable_quantity`."""
    if rest.get("cancelled_at"):
        return 0
    left = max(0, totals.current_quantity(rest, line) - shipped(rest, line["id"]))
    posted = number(line.get("fulfillable_quantity"))
    if posted is not None:
        return min(left, int(posted))
    return 0 if rest.get("fulfillment_status") == "fulfilled" else left


def update_fulfilment_orders(doc: Json, primary: int, ids: Iterator[int], now: str) -> None:
    """Creates, extends and reduces fulfilment orders to match the lines' unshipped units."""
    rest = doc["rest"]
    for line in totals.lines(rest):
        rows = _rows(doc, line["id"])
        difference = remaining(rest, line) - sum(row["remaining"] for _, row in rows)
        if difference < 0:
            _reduce(rows, -difference)
        elif difference > 0:
            _extend(doc, line, difference, primary, ids, now)
        elif not rows and shipped(rest, line["id"]):
            _note_shipped(doc, line, primary, ids, now)
    for order in doc["fos"]:
        order["status"] = _status(doc, order)


def _rows(doc: Json, line_id: int) -> list[tuple[Json, Json]]:
    return [(fo, row) for fo in doc["fos"] for row in fo["lines"] if row["line_id"] == line_id]


def _reduce(rows: list[tuple[Json, Json]], by: int) -> None:
    for _, row in reversed(rows):
        taken = min(by, row["remaining"])
        row["remaining"] -= taken
        row["total"] -= taken
        by -= taken


def _extend(doc: Json, line: Json, by: int, primary: int, ids: Iterator[int], now: str) -> None:
    target = _open_at(doc, primary) or _new(doc, primary, ids, now)
    row = next((row for row in target["lines"] if row["line_id"] == line["id"]), None)
    if row is None:
        row = {"id": next(ids), "line_id": line["id"], "total": 0, "remaining": 0}
        if not _rows(doc, line["id"]):
            row["total"] = shipped(doc["rest"], line["id"])
        target["lines"].append(row)
    row["total"] += by
    row["remaining"] += by


def _note_shipped(doc: Json, line: Json, primary: int, ids: Iterator[int], now: str) -> None:
    target = next(iter(doc["fos"]), None) or _new(doc, primary, ids, now)
    done = shipped(doc["rest"], line["id"])
    target["lines"].append({"id": next(ids), "line_id": line["id"], "total": done, "remaining": 0})


def _open_at(doc: Json, location: int) -> Json | None:
    return next((fo for fo in doc["fos"] if fo["location_id"] == location and fo["status"] in LIVE), None)


def _new(doc: Json, location: int, ids: Iterator[int], now: str) -> Json:
    order: Json = {"id": next(ids), "location_id": location, "status": "OPEN", "lines": [], "created_at": now}
    doc["fos"].append(order)
    return order


def _status(doc: Json, order: Json) -> str:
    if order.get("held"):
        return "ON_HOLD"
    left = sum(row["remaining"] for row in order["lines"])
    whole = sum(row["total"] for row in order["lines"])
    if left == 0:
        return "CANCELLED" if doc["rest"].get("cancelled_at") and not whole else "CLOSED"
    return "OPEN" if left == whole else "IN_PROGRESS"


def place(doc: Json, requested: list[Json], ids: Iterator[int], now: str) -> None:
    """Creates posted fulfilment orders: `[{location_id, line_items: [{line_item_id, quantity}]}]`."""
    for given in requested:
        order = _new(doc, int(given["location_id"]), ids, now)
        for row in given.get("line_items") or []:
            units = int(row["quantity"])
            order["lines"].append(
                {"id": next(ids), "line_id": int(row["line_item_id"]), "total": units, "remaining": units}
            )


def mark_lines(rest: Json) -> None:
    """Updates the fulfilment fields of the order and its lines after a shipment."""
    states = []
    for line in totals.lines(rest):
        done, current = shipped(rest, line["id"]), totals.current_quantity(rest, line)
        line["fulfillable_quantity"] = max(0, current - done)
        line["fulfillment_status"] = "fulfilled" if done and done >= current else "partial" if done else None
        states.append(line["fulfillment_status"] if current or done else "fulfilled")
    shipped_any = any(line["fulfillment_status"] for line in totals.lines(rest))
    whole = all(state == "fulfilled" for state in states)
    rest["fulfillment_status"] = None if not shipped_any else "fulfilled" if whole else "partial"
