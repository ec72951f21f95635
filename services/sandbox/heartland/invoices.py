"""Invoices, which record shipments.

Completing one moves stock, and closes the order if nothing is left.
"""

from __future__ import annotations

from decimal import Decimal

from services.sandbox.heartland.account import Heartland
from services.sandbox.heartland.call import Answer, Call, changed, created
from services.sandbox.heartland.decimal_json import Number, cents
from services.sandbox.heartland.orders import check_station, refresh, touch
from services.sandbox.heartland.rejection import Rejection, invalid
from services.sandbox.heartland.table import Row
from services.sandbox.heartland.writes import create, missing_custom, update


def add_invoice(call: Call) -> Answer:
    return created(call, open_invoice(call.account, call.body())["id"])


def open_invoice(account: Heartland, body: Row) -> Row:
    if body.get("status", "pending") != "pending":
        raise invalid("status", "must be pending on a new invoice")
    order = account["orders"].get(body.get("order_id"))
    if order is None:
        raise invalid("order_id", "does not exist" if body.get("order_id") else "is required")
    if order["status"] != "open":
        raise invalid("order_id", f"is of an order that is {order['status']}, not open")
    check_station(account, body)
    given = {"customer_id": order["customer_id"], "sales_rep": order["sales_rep"]} | body
    return create(account, "invoices", given, status="pending")


def add_line(call: Call) -> Answer:
    invoice, body = call.row("invoices"), call.body()
    _check_pending(invoice)
    return created(call, claim(call.account, invoice, body)["id"])


def claim(account: Heartland, invoice: Row, body: Row, only: int | None = None) -> Row:
    """Adds an invoice line for uninvoiced units of the item's order lines, or of the `only` one."""
    qty = body.get("qty", 1)
    if isinstance(qty, bool) or not isinstance(qty, (int, Decimal)) or qty <= 0:
        raise invalid("qty", "must be greater than 0")
    taken = _allocate(account, invoice, body.get("item_id"), qty, only)
    first = account["order_lines"].rows[taken[0][0]]
    carried = ("original_unit_price", "adjusted_unit_price", "item_description", "unit_cost")
    row = create(
        account, "invoice_lines", body, invoice["id"], price_adjustments=[], **{name: first[name] for name in carried}
    )
    for number, part in taken:
        account.internal.claimed[number] = account.internal.claimed.get(number, 0) + part
    account.internal.allocated[row["id"]] = taken
    return row


def _allocate(
    account: Heartland, invoice: Row, item: object, qty: Number, only: int | None
) -> list[tuple[int, Number]]:
    taken: list[tuple[int, Number]] = []
    for line in account["order_lines"].children(invoice["order_id"]):
        left = line["qty"] - account.internal.claimed.get(line["id"], 0)
        if line["item_id"] == item and left > 0 and qty > 0 and only in (None, line["id"]):
            part = min(left, qty)
            taken.append((line["id"], part))
            qty -= part
    if qty > 0 or not taken:
        raise invalid("qty", "is more than the order's uninvoiced quantity")
    return taken


def alter_invoice(call: Call) -> Answer:
    invoice, body = call.row("invoices"), call.body()
    status = body.get("status", invoice["status"])
    if status not in (invoice["status"], "complete") or invoice["status"] not in ("pending", "complete"):
        raise invalid("status", f"cannot change from {invoice['status']} to {status}")
    if invoice["status"] == "complete" and not all(n in ("custom", "status") or "custom@" in n for n in body):
        raise invalid("status", "is complete, the invoice cannot be changed")
    completes = status != invoice["status"]
    if completes:
        _check_completing(call.account, invoice, body)
    row = update(call.account, "invoices", invoice["id"], body)
    if completes:
        complete(call.account, row)
    elif row["completed"] and call.account.flags.hooks_for_invoices:
        call.account.hooks.fire("sales_transaction_completed", row)
    return changed(call, "invoices", row)


def _check_pending(invoice: Row) -> None:
    if invoice["status"] != "pending":
        raise invalid("status", f"is {invoice['status']}, the invoice cannot be changed")


def _check_completing(account: Heartland, invoice: Row, body: Row) -> None:
    if not account["invoice_lines"].child_ids(invoice["id"]):
        raise invalid("status", "cannot change to complete, the invoice has no lines")
    order = account["orders"].rows[invoice["order_id"]]
    if order["status"] != "open":
        raise invalid("status", f"cannot change to complete, the order is {order['status']}")
    given = {key.removeprefix("custom@"): value for key, value in body.items() if key.startswith("custom@")}
    custom = order["custom"] | invoice["custom"] | (body.get("custom") or {}) | given
    missing_custom(account, "sales.transaction", [{"custom": custom}])


def complete(account: Heartland, invoice: Row) -> None:
    """Completes an invoice: stock, totals, the order's status, the hook."""
    order = account["orders"].rows[invoice["order_id"]]
    shares = [share for line in account["invoice_lines"].children(invoice["id"]) for share in _ship(account, line)]
    for line_id, qty in shares:
        _take_from_stock(account, invoice, line_id, qty)
    closes = all(_is_shipped(account, line) for line in account["order_lines"].children(order["id"]))
    _bill(account, order, invoice, shares, closes)
    if closes:
        account["orders"].change(order["id"], {"status": "closed"})
    refresh(account, order["id"])
    touch(account, order["id"])
    if account.flags.hooks_for_invoices:
        account.hooks.fire("sales_transaction_completed", invoice)


def _ship(account: Heartland, line: Row) -> list[tuple[int, Number]]:
    shares = account.internal.allocated.get(line["id"], [])
    for number, qty in shares:
        account.internal.invoiced[number] = account.internal.invoiced.get(number, 0) + qty
    return shares


def _take_from_stock(account: Heartland, invoice: Row, line_id: int, qty: Number) -> None:
    item = account["order_lines"].rows[line_id]["item_id"]
    if account.item(item)["track_inventory"]:
        account.stock.move((item, invoice["source_location_id"]), -qty, 0, ("Invoice", invoice["id"]))


def _is_shipped(account: Heartland, line: Row) -> bool:
    return bool(account.internal.invoiced.get(line["id"], 0) >= line["qty"])


def _bill(account: Heartland, order: Row, invoice: Row, shares: list[tuple[int, Number]], closes: bool) -> None:
    """The invoice's totals: lines, shipping (on the first invoice), a share of tax and discounts."""
    lines = account["order_lines"].rows
    goods = sum(qty * lines[number]["adjusted_unit_price"] for number, qty in shares)
    earlier = [row for row in _others(account, order, invoice) if row["status"] == "complete"]
    shipping = 0 if earlier else order["shipping_charge"] or 0
    part = None if closes else _part(order, goods)
    tax, discount = (_share(order, earlier, name, part) for name in ("total_tax", "total_discounts"))
    total = goods + shipping + tax + discount
    paid = total if order["balance"] <= 0 else 0
    now = account.now()
    account["invoices"].change(
        invoice["id"],
        {"status": "complete", "completed": True, "completed_at": now, "local_completed_at": account.local(now)}
        | {"shipping_charge": shipping, "total_tax": tax, "total_discounts": discount, "total": total}
        | {"total_paid": paid, "balance": total - paid, "updated_at": now},
    )
    _value_lines(account, invoice, tax, shipping)


def _share(order: Row, earlier: list[Row], name: str, part: Decimal | None) -> Number:
    """An invoice's share of an order's amount; the last invoice (no part) takes the remainder."""
    if part is None:
        rest: Number = order[name] - sum(row[name] for row in earlier)
        return rest
    return cents(Decimal(order[name]) * part)


def _others(account: Heartland, order: Row, invoice: Row) -> list[Row]:
    rows = account["invoices"].rows
    found = account["invoices"].equal_to("order_id", order["id"])
    return [rows[number] for number in found if number != invoice["id"]]


def _part(order: Row, goods: Number) -> Decimal:
    whole = Decimal(order["total"] - order["total_tax"] - order["total_discounts"] - (order["shipping_charge"] or 0))
    return Decimal(goods) / whole if whole else Decimal(0)


def _value_lines(account: Heartland, invoice: Row, tax: Number, shipping: Number) -> None:
    """Adds tax and shipping lines; only lines of type ItemLine are goods."""
    for kind, value in (("TaxLine", tax), ("ShippingLine", shipping)):
        if value:
            row: Row = {"type": kind, "value": value, "description": kind.removesuffix("Line"), "qty": None}
            empty = dict.fromkeys(("item_id", "original_unit_price", "adjusted_unit_price", "unit_cost"))
            now = {"created_at": account.now(), "updated_at": account.now()}
            account["invoice_lines"].insert({"id": 0, **row, **empty, "price_adjustments": [], **now}, invoice["id"])


def ship(account: Heartland, order: Row, wanted: list[tuple[Row, Number]], location: int, custom: Row) -> Row:
    """Creates and completes an invoice over the given quantities, atomically. Raises Rejection."""
    stations = account["stations"].equal_to("location_id", location)
    if not stations:
        raise invalid("location_id", "has no station")
    body = {"order_id": order["id"], "source_location_id": location, "station_id": min(stations), "custom": custom}
    _check_wanted(account, wanted)
    invoice = open_invoice(account, body)
    try:
        for line, qty in wanted:
            claim(account, invoice, {"item_id": line["item_id"], "qty": qty}, line["id"])
        _check_completing(account, invoice, {})
    except Rejection:
        discard(account, invoice)
        raise
    complete(account, invoice)
    return invoice


def _check_wanted(account: Heartland, wanted: list[tuple[Row, Number]]) -> None:
    if not wanted:
        raise invalid("lines", "contain nothing to ship")
    for line, qty in wanted:
        left = line["qty"] - account.internal.claimed.get(line["id"], 0)
        if qty > left:
            raise invalid("qty", f"{qty} is more than the uninvoiced {left} of line {line['id']}")


def discard(account: Heartland, invoice: Row) -> None:
    for number in list(account["invoice_lines"].child_ids(invoice["id"])):
        for line_id, qty in account.internal.allocated.pop(number, []):
            account.internal.claimed[line_id] -= qty
        account["invoice_lines"].delete(number)
    account["invoices"].delete(invoice["id"])
