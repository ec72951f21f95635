"""Sales orders: their statuses (pending, open, closed, canceled), allowed changes, and totals."""

from __future__ import annotations

from typing import Final

from services.sandbox.heartland.account import Heartland
from services.sandbox.heartland.call import Answer, Call, changed, created
from services.sandbox.heartland.decimal_json import Number
from services.sandbox.heartland.rejection import invalid
from services.sandbox.heartland.table import Row
from services.sandbox.heartland.writes import create, missing_custom, update

EDITABLE: Final = ("pending", "open")


def add_order(call: Call) -> Answer:
    body = call.body()
    if body.get("status", "pending") != "pending":
        raise invalid("status", "must be pending on a new order")
    check_station(call.account, body)
    row = create(call.account, "orders", body, location_id=body.get("source_location_id"))
    total_up(call.account, row["id"])
    return created(call, row["id"])


def check_station(account: Heartland, sale: Row) -> None:
    """Raises Rejection if the station is not at the sale's location."""
    station = account["stations"].get(sale.get("station_id"))
    if station is not None and station["location_id"] != sale.get("source_location_id"):
        raise invalid("station_id", "is not at the source location")


def alter_order(call: Call) -> Answer:
    order, body = call.row("orders"), call.body()
    status = body.get("status", order["status"])
    _check_move(call.account, order, status)
    if order["status"] not in EDITABLE and not _touches_only_custom(body):
        raise invalid("status", f"is {order['status']}, the order cannot be changed")
    check_station(call.account, order | body)
    if status == "open" and status != order["status"]:
        _check_opening(call.account, order | body)
    row = update(call.account, "orders", order["id"], body)
    refresh(call.account, row["id"])
    return changed(call, "orders", row)


def _touches_only_custom(body: Row) -> bool:
    return all(name in ("custom", "status") or name.startswith("custom@") for name in body)


def _check_move(account: Heartland, order: Row, status: object) -> None:
    old = order["status"]
    if status == old or (old, status) == ("pending", "open"):
        return
    if status != "canceled" or old not in EDITABLE or not account.flags.can_cancel_orders:
        raise invalid("status", f"cannot change from {old} to {status}")
    if any(account.internal.claimed.get(number) for number in account["order_lines"].child_ids(order["id"])):
        raise invalid("status", "cannot change to canceled, the order has invoices")


def _check_opening(account: Heartland, order: Row) -> None:
    if order.get("customer_id") is None:
        raise invalid("customer_id", "is required")
    # The same PUT may add missing custom fields, in either notation.
    given = {key.removeprefix("custom@"): value for key, value in order.items() if key.startswith("custom@")}
    stored: Row = account["orders"].rows[order["id"]]["custom"]
    missing_custom(account, "sales.transaction", [{"custom": stored | (order.get("custom") or {}) | given}])
    missing_custom(account, "sales.transaction.line_item", account["order_lines"].children(order["id"]))


def check_editable(order: Row) -> None:
    if order["status"] not in EDITABLE:
        raise invalid("status", f"is {order['status']}, the order cannot be changed")


def refresh(account: Heartland, order_id: int) -> None:
    """Updates totals and committed stock after a change of the order."""
    total_up(account, order_id)
    for line in account["order_lines"].children(order_id):
        commit(account, account["orders"].rows[order_id], line)


def touch(account: Heartland, order_id: int) -> None:
    """Updates the order's `updated_at`, after a change of one of its parts."""
    account["orders"].change(order_id, {"updated_at": account.now()})


def total_up(account: Heartland, order_id: int) -> None:
    """Computes an order's totals exactly: lines, shipping, taxes, discounts, payments, balance."""
    order = account["orders"].rows[order_id]
    goods = sum(line["qty"] * line["adjusted_unit_price"] for line in account["order_lines"].children(order_id))
    tax = sum(row["value"] for row in account["order_taxes"].children(order_id))
    discounts = sum(row["amount"] for row in account["order_discounts"].children(order_id))
    paid = sum(row["amount"] for row in account["payments"].children(order_id))
    total = goods + (order["shipping_charge"] or 0) + tax + discounts
    order.update(total=total, total_tax=tax, total_discounts=discounts, total_paid=paid, balance=total - paid)


def commit(account: Heartland, order: Row, line: Row) -> None:
    """Commits stock for the uninvoiced units of an open order's line, at its ship-from location."""
    wanted = _to_commit(account, order, line)
    held = account.internal.committed.get(line["id"])
    if wanted == held:
        return
    source = ("Order", order["id"])
    if held is not None:
        account.stock.move(held[:2], 0, -held[2], source)
        del account.internal.committed[line["id"]]
    if wanted is not None:
        account.stock.move(wanted[:2], 0, wanted[2], source)
        account.internal.committed[line["id"]] = wanted


def _to_commit(account: Heartland, order: Row, line: Row) -> tuple[int, int, Number] | None:
    left = line["qty"] - account.internal.invoiced.get(line["id"], 0)
    place = line["ship_from_location_id"]
    if order["status"] != "open" or not account.flags.commit_on_open or place is None or left <= 0:
        return None
    return (line["item_id"], place, left) if account.item(line["item_id"])["track_inventory"] else None
