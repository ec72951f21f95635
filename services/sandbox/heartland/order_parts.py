"""An order's lines, taxes, discounts and payments."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from services.sandbox.heartland.account import Heartland
from services.sandbox.heartland.call import Answer, Call, changed, created
from services.sandbox.heartland.decimal_json import Number, cents
from services.sandbox.heartland.orders import EDITABLE, check_editable, commit, refresh, total_up, touch
from services.sandbox.heartland.rejection import bad_payment, invalid, not_allowed
from services.sandbox.heartland.table import Row
from services.sandbox.heartland.writes import create, update

PAYMENT_TYPES: Final = frozenset(
    {"CashPayment", "CreditCardPayment", "CheckPayment", "CustomPayment", "ExternalPayment"}
)
MAX_QTY: Final = 9999
# A payment above this multiple of the total is rejected as a misplaced decimal point.
MAX_PAYMENT_FACTOR: Final = 10


def add_line(call: Call) -> Answer:
    order, body = call.row("orders"), call.body()
    check_editable(order)
    account = call.account
    item = account["items"].get(body.get("item_id"))
    _checked_qty(body.get("qty", 1), item)
    listed = body.get("original_unit_price")
    listed = (item or {}).get("price", 0) if listed is None else listed
    adjusted = body.get("adjusted_unit_price")
    prices = {"original_unit_price": listed, "adjusted_unit_price": listed if adjusted is None else adjusted}
    known = {"item_description": (item or {}).get("description"), "unit_cost": (item or {}).get("cost", 0)}
    line = create(account, "order_lines", body | prices, order["id"], **known)
    _line_changed(account, order, line)
    return created(call, line["id"])


def alter_line(call: Call) -> Answer:
    order, line, body = call.row("orders"), call.child("order_lines"), call.body()
    check_editable(order)
    item_id = body.get("item_id", line["item_id"])
    qty = _checked_qty(body.get("qty", line["qty"]), call.account["items"].get(item_id))
    claimed = call.account.internal.claimed.get(line["id"], 0)
    if qty < claimed or (claimed and item_id != line["item_id"]):
        raise invalid("qty", f"must be greater than or equal to {claimed}, which is invoiced")
    row = update(call.account, "order_lines", line["id"], body)
    _line_changed(call.account, order, row)
    return changed(call, "order_lines", row)


def delete_line(call: Call) -> Answer:
    order, line = call.row("orders"), call.child("order_lines")
    if not call.account.flags.can_delete_order_lines:
        raise not_allowed()
    check_editable(order)
    if call.account.internal.claimed.get(line["id"]):
        raise invalid("qty", "is invoiced, the line cannot be deleted")
    line["qty"] = 0
    commit(call.account, order, line)
    call.account["order_lines"].delete(line["id"])
    _line_changed(call.account, order, None)
    return Answer(200)


def _checked_qty(qty: object, item: Row | None) -> Number:
    if isinstance(qty, bool) or not isinstance(qty, (int, Decimal)):
        raise invalid("qty", "is not a number")
    if not 0 <= qty <= MAX_QTY:
        raise invalid("qty", f"must be from 0 to {MAX_QTY}")
    if item is not None and qty != int(qty) and not item["allow_fractional_qty"]:
        raise invalid("qty", "must be a whole number for this item")
    return qty


def _line_changed(account: Heartland, order: Row, line: Row | None) -> None:
    if account.tax_rate and account.flags.recompute_tax:
        _compute_tax(account, order["id"])
    if line is not None:
        commit(account, order, line)
    total_up(account, order["id"])
    touch(account, order["id"])


def _compute_tax(account: Heartland, order_id: int) -> None:
    """Computes Heartland's own tax on an order in one tax line, regardless of what the storefront charged."""
    goods = sum(line["qty"] * line["adjusted_unit_price"] for line in account["order_lines"].children(order_id))
    value = cents(Decimal(goods) * account.tax_rate)
    known = account.internal.computed_tax.get(order_id)
    if known is None:
        row = create(account, "order_taxes", {"description": "Sales tax", "value": value}, order_id)
        account.internal.computed_tax[order_id] = row["id"]
    else:
        account["order_taxes"].change(known, {"value": value, "updated_at": account.now()})


def add_tax(call: Call) -> Answer:
    return _add_amount(call, "order_taxes")


def add_discount(call: Call) -> Answer:
    return _add_amount(call, "order_discounts")


def _add_amount(call: Call, table: str) -> Answer:
    order = call.row("orders")
    check_editable(order)
    row = create(call.account, table, call.body(), order["id"])
    refresh(call.account, order["id"])
    touch(call.account, order["id"])
    return created(call, row["id"])


def add_payment(call: Call) -> Answer:
    order, body, account = call.row("orders"), call.body(), call.account
    _check_takes_payments(account, order)
    if str(body.get("type")) not in PAYMENT_TYPES:
        raise invalid("type", "is not a valid payment type")
    now = account.now()
    row = create(account, "payments", body | {"completed_at": body.get("completed_at") or now}, order["id"])
    try:
        _check_amount(account, order, row["amount"])
    except Exception:
        account["payments"].delete(row["id"])
        raise
    account["payments"].change(row["id"], {"local_completed_at": account.local(row["completed_at"])})
    total_up(account, order["id"])
    touch(account, order["id"])
    return created(call, row["id"])


def _check_takes_payments(account: Heartland, order: Row) -> None:
    if order["status"] not in EDITABLE and not (
        order["status"] == "closed" and account.flags.payments_on_closed_orders
    ):
        raise invalid("status", f"is {order['status']}, the order does not accept payments")


def _check_amount(account: Heartland, order: Row, amount: Number) -> None:
    total, paid = order["total"], order["total_paid"] + amount
    if amount == 0:
        raise bad_payment("must not be 0")
    if paid < 0:
        raise bad_payment("is more than was paid before")
    if amount > 0 and paid > (total if account.flags.strict_payments else MAX_PAYMENT_FACTOR * max(total, 1)):
        raise bad_payment("is more than the order's balance")
