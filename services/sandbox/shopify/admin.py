"""Changes of an order by the shop's staff: payment, cancellation, edit.

Each is stored and sent as webhooks.
"""

from __future__ import annotations

from decimal import Decimal

from services.sandbox.shopify import payments, shipping, totals
from services.sandbox.shopify.gid import gid
from services.sandbox.shopify.money import CENT, ZERO, Json, amount, as_set, number, rounded, shop_amount, text
from services.sandbox.shopify.records import OrderView
from services.sandbox.shopify.shop import Shop
from services.sandbox.shopify.timestamps import stamp


class InvalidChange(ValueError):
    """The order's state does not allow this change; the message says why."""


def put_money(rest: Json, key: str, value: Decimal) -> None:
    """Sets an amount, and its money set if the body has one."""
    rest[key] = text(value)
    if f"{key}_set" in rest:
        value_change = rounded(value * totals.rate(rest), totals.presentment_currency(rest))
        rest[f"{key}_set"] = as_set(value, rest["currency"], value_change, totals.presentment_currency(rest))


def pay(shop: Shop, doc: Json, requested: Decimal | None = None, gateway: str = "manual") -> Json:
    """Pays the outstanding amount or a part of it. Raises InvalidChange."""
    rest = doc["rest"]
    outstanding = OrderView(shop, doc).outstanding
    paid = outstanding if requested is None else requested
    if rest.get("cancelled_at") or paid <= 0 or outstanding <= 0:
        raise InvalidChange("nothing is outstanding")
    payment = _payment(shop, doc, paid, gateway)
    left = max(ZERO, outstanding - paid)
    put_money(rest, "total_outstanding", left)
    rest["financial_status"] = "partially_paid" if left else "paid"
    names = [str(name) for name in rest.get("payment_gateway_names") or []]
    rest["payment_gateway_names"] = names if gateway in names else [*names, gateway]
    shop.touch(doc)
    shop.announce_part(doc, "order_transactions/create", payment)
    shop.announce(doc, ("orders/updated",) if left else ("orders/paid", "orders/updated"))
    return payment


def _payment(shop: Shop, doc: Json, paid: Decimal, gateway: str) -> Json:
    held = next((p for p in doc["payments"] if p["kind"] == "authorization" and payments.is_success(p)), None)
    is_capture = held is not None and payments.status(doc["rest"]) == "authorized"
    made = payments.made(
        doc["rest"],
        "capture" if is_capture else "sale",
        paid,
        shop.ids,
        parent=held["id"] if held and is_capture else None,
        via=str(held["gateway"]) if held and is_capture else gateway,
        at=stamp(shop.now()),
    )
    doc["payments"] = payments.settle({**doc["rest"], "refunds": []}, [*doc["payments"], made], [], shop.ids)
    found: Json = doc["payments"][-1]
    return found


def cancel(shop: Shop, doc: Json, reason: str = "other", *, refund: bool = False, note: str | None = None) -> None:
    """Cancels the order. Raises InvalidChange if it is cancelled already or has shipments."""
    rest = doc["rest"]
    if rest.get("cancelled_at"):
        raise InvalidChange("Cannot cancel an order that has already been canceled")
    if any(shipping.shipped(rest, line["id"]) for line in totals.lines(rest)):
        raise InvalidChange("Cannot cancel an order that has fulfillments")
    now = stamp(shop.now())
    rest.update({"cancelled_at": now, "closed_at": now, "cancel_reason": reason.lower(), "staff_note": note})
    refunded = OrderView(shop, doc).net
    if refund and refunded > 0:
        _refund_all(shop, doc, refunded, now)
    elif refunded <= 0:
        rest["financial_status"] = "voided"
        put_money(rest, "total_outstanding", ZERO)
    for line in totals.lines(rest):
        line["fulfillable_quantity"] = 0
    shop.update_fulfilment_orders(doc)
    shop.touch(doc)
    shop.announce(doc, ("orders/cancelled", "orders/updated"))


def _refund_all(shop: Shop, doc: Json, refunded: Decimal, now: str) -> None:
    rest = doc["rest"]
    parent = next((p for p in doc["payments"] if p["kind"] in payments.INWARDS and payments.is_success(p)), None)
    payment = payments.made(
        rest,
        "refund",
        refunded,
        shop.ids,
        parent=parent["id"] if parent else None,
        via=str(parent["gateway"]) if parent else None,
        at=now,
    )
    refund = {
        "id": next(shop.ids),
        "order_id": rest["id"],
        "created_at": now,
        "processed_at": now,
        "note": "Order canceled",
        "restock": True,
        "order_adjustments": [],
        "transactions": [payment],
        "refund_line_items": [_refunded(shop, rest, line) for line in totals.lines(rest)],
    }
    refund["admin_graphql_api_id"] = gid("Refund", refund["id"])
    rest["refunds"] = [*totals.refunds(rest), refund]
    rest["financial_status"] = "refunded"
    for line in totals.lines(rest):
        line["current_quantity"] = 0
    for key in ("current_total_price", "current_subtotal_price", "current_total_tax", "current_total_discounts"):
        put_money(rest, key, ZERO)
    put_money(rest, "total_outstanding", ZERO)
    doc["payments"] = payments.settle(rest, doc["payments"], [], shop.ids)
    shop.announce_part(doc, "refunds/create", refund)


def _refunded(shop: Shop, rest: Json, line: Json) -> Json:
    units = totals.current_quantity(rest, line)
    net, tax = _value(rest, line, units)
    return {
        "id": next(shop.ids),
        "line_item_id": line["id"],
        "quantity": units,
        "restock_type": "cancel",
        "location_id": shop.locations.primary,
        "subtotal": text(net),
        "total_tax": text(tax),
    }


def _value(rest: Json, line: Json, units: int) -> tuple[Decimal, Decimal]:
    """Net and tax amount of some units of a line, rounded to the currency's precision."""
    whole = totals.quantity(line) or 1
    net = rounded(totals.line_total(line) * units / whole, rest["currency"])
    return net, rounded(totals.line_tax(line) * units / whole, rest["currency"])


def edit(shop: Shop, doc: Json, changes: Json) -> Json:
    """Removes units of lines and adds lines.

    `{"remove": [{"line_item_id" | "sku", "quantity"}], "add": [line]}`.

    Returns the body of orders/edited. Raises InvalidChange.
    """
    rest = doc["rest"]
    if rest.get("cancelled_at"):
        raise InvalidChange("Cannot edit an order that has been canceled")
    before = OrderView(shop, doc).outstanding
    removals = [_remove(rest, row) for row in changes.get("remove") or []]
    additions = [_add(shop, rest, row) for row in changes.get("add") or []]
    value_change = sum((row[1] for row in additions), ZERO) - sum((row[1] for row in removals), ZERO)
    left = max(ZERO, before + value_change)
    put_money(rest, "total_outstanding", left)
    if left and payments.status(rest) == "paid":
        rest["financial_status"] = "partially_paid"
    doc["edited"] = True
    shop.update_fulfilment_orders(doc)
    shop.touch(doc)
    edited = _edited(shop, doc, [row[0] for row in additions], [row[0] for row in removals], changes)
    shop.announce_part(doc, "orders/edited", edited)
    shop.announce(doc, ("orders/updated",))
    return edited


def _edited(shop: Shop, doc: Json, additions: list[Json], removals: list[Json], changes: Json) -> Json:
    now = stamp(shop.now())
    none: Json = {"additions": [], "removals": []}
    return {
        "order_edit": {
            "id": next(shop.ids),
            "app_id": None,
            "created_at": now,
            "committed_at": now,
            "notify_customer": False,
            "order_id": doc["rest"]["id"],
            "staff_note": changes.get("staff_note"),
            "user_id": None,
            "line_items": {"additions": additions, "removals": removals},
            "discounts": {"line_item": none},
            "shipping_lines": none,
        }
    }


def _line(rest: Json, row: Json) -> Json:
    wanted, sku = number(row.get("line_item_id")), row.get("sku")
    found = next(
        (line for line in totals.lines(rest) if line["id"] == wanted or (sku and line.get("sku") == sku)), None
    )
    if found is None:
        raise InvalidChange(f"the order has no such line: {row}")
    return found


def _remove(rest: Json, row: Json) -> tuple[Json, Decimal]:
    line = _line(rest, row)
    left = totals.current_quantity(rest, line)
    units = int(amount(row.get("quantity", left)))
    if not 0 < units <= left - shipping.shipped(rest, line["id"]):
        raise InvalidChange(f"cannot remove {units} of the {left} units of this line")
    net, tax = _value(rest, line, units)
    _start_current(rest)
    line["current_quantity"] = left - units
    if line.get("fulfillable_quantity") is not None:
        line["fulfillable_quantity"] = max(0, int(line["fulfillable_quantity"]) - units)
    return {"id": line["id"], "delta": units}, -_add_to_totals(rest, "current_", -net, -tax)


def _add(shop: Shop, rest: Json, row: Json) -> tuple[Json, Decimal]:
    units = int(amount(row.get("quantity", 1)))
    found = next(iter(shop.catalog.with_sku(str(row.get("sku") or ""))), None)
    line = {"title": row.get("sku") or "Added", "price": found.price if found else "0.00", **row}
    line.update({"id": next(shop.ids), "quantity": units, "current_quantity": units, "fulfillable_quantity": units})
    line["admin_graphql_api_id"] = gid("LineItem", line["id"])
    _start_current(rest)
    put_money(rest, "total_price", totals.total_price(rest))
    rest["line_items"] = [*totals.lines(rest), line]
    shop.catalog.note(line, shop.world.clock.monotonic())
    net, tax = totals.line_total(line), totals.line_tax(line)
    _add_to_totals(rest, "", net, tax)
    return {"id": line["id"], "delta": units}, _add_to_totals(rest, "current_", net, tax)


def _start_current(rest: Json) -> None:
    """Sets the `current_` amounts, if missing, to those before the edit."""
    for key, value in (
        ("current_total_price", totals.current_total(rest)),
        ("current_subtotal_price", totals.subtotal(rest)),
        ("current_total_tax", totals.tax(rest)),
    ):
        if shop_amount(rest, key) is None:
            put_money(rest, key, value)


def _add_to_totals(rest: Json, prefix: str, net: Decimal, tax: Decimal) -> Decimal:
    """Adds to subtotal, tax and total; returns the change of the total."""
    whole = net if rest.get("taxes_included") else net + tax
    for key, by in (("subtotal_price", net), ("total_tax", tax), ("total_price", whole)):
        before = shop_amount(rest, prefix + key)
        if before is not None:
            put_money(rest, prefix + key, before + by)
    return whole.quantize(CENT)
