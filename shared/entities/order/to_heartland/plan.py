"""Plans the calls that remain, from the difference between the desired and the actual order. Pure.

A new order, one that a crash left incomplete, and an update are all planned in the same way. An order is created with
status `pending` and opened last, since stores act on open orders.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

from shared.canonical.money import total
from shared.entities.order.record import Order
from shared.entities.order.settings import HeartlandOrderSettings
from shared.entities.order.to_heartland.actual_order import ActualOrder
from shared.entities.order.to_heartland.desired import DesiredOrder
from shared.entities.order.to_heartland.lines import Edits, edit_lines
from shared.entities.order.to_heartland.payments import payment_steps
from shared.entities.order.to_heartland.references import References
from shared.entities.order.to_heartland.steps import (
    AddTax,
    CancelOrder,
    ChangeOrder,
    CreateOrder,
    ReadInvoices,
    ReadTaxes,
    Step,
)
from shared.sync.plan import Plan, Problem

TAX_REVERSAL = "Tax computed by Heartland, taken back"


def plan_order(
    order: Order,
    desired: DesiredOrder,
    references: References,
    actual: ActualOrder | None,
    settings: HeartlandOrderSettings,
) -> Plan[Step]:
    """The next steps. After they are executed the order is planned again, until the plan is complete."""
    if actual is None:
        return Plan((CreateOrder(order_body(order, desired, references, settings)),), complete=False)
    if actual.canceled:
        return Plan((), tuple(_canceled_in_heartland(desired)))
    edits = edit_lines(desired.lines, actual.lines, references, settings)
    header = _header(order, desired, references, actual, settings)
    changes_total = bool(edits.steps) or "shipping_charge" in header
    unknown_lines = tuple(_unknown_lines(edits))
    if changes_total and _is_invoiced(actual):
        return _plan_after_invoice(desired, references, actual, settings, unknown_lines)
    if (edits.steps or header) and not actual.closed:
        return _change(edits, header, actual, changes_total)
    if actual.taxes_stale and settings.tax_recomputed:
        return Plan((ReadTaxes(),), complete=False)
    return _finish(desired, references, actual, settings, unknown_lines)


def _is_invoiced(actual: ActualOrder) -> bool:
    """Whether goods are known to be invoiced."""
    return actual.closed or bool(actual.invoiced)


def _change(edits: Edits, header: dict[str, object], actual: ActualOrder, changes_total: bool) -> Plan[Step]:
    """Lines and header first: Heartland may recompute the taxes from them."""
    if changes_total and not actual.pending and actual.invoiced is None:
        return Plan((ReadInvoices(),), complete=False)
    changes = [ChangeOrder(header)] if header else []
    return Plan((*edits.steps, *changes), complete=False)


def _finish(
    desired: DesiredOrder,
    references: References,
    actual: ActualOrder,
    settings: HeartlandOrderSettings,
    problems: tuple[Problem, ...],
) -> Plan[Step]:
    """Lines and header match: taxes, payments and status remain."""
    if desired.cancelled and actual.invoiced is None and not (actual.pending or actual.closed):
        return Plan((ReadInvoices(),), complete=False)
    taxes = [] if actual.closed else list(_tax_steps(desired, actual))
    payments, over = payment_steps(desired, references, actual, settings, desired.total)
    status, more = _status_steps(desired, actual, settings)
    return Plan((*taxes, *payments, *status), (*problems, *over, *more))


def _plan_after_invoice(
    desired: DesiredOrder,
    references: References,
    actual: ActualOrder,
    settings: HeartlandOrderSettings,
    problems: tuple[Problem, ...],
) -> Plan[Step]:
    """The goods are invoiced, so the lines stay as they are; missing payments for them are still booked."""
    problem = Problem(
        kind="edit_after_invoice",
        title=f"Heartland order {actual.order.public_id} was edited in Shopify after it was invoiced",
        advice="The edit is not written to Heartland. Book the difference there by hand: a return for what was "
        "removed, a ticket with its payment for what was added.",
        details={"heartland_order_id": actual.order.id, "shopify_total": str(desired.total)},
        blocks=True,
    )
    payments, _ = payment_steps(desired, references, actual, settings, actual.cost)  # `problem` covers an overpayment
    status, more = _status_steps(desired, actual, settings)
    return Plan((*payments, *status), (*problems, problem, *more))


def order_body(
    order: Order, desired: DesiredOrder, references: References, settings: HeartlandOrderSettings
) -> dict[str, object]:
    """The body that creates an order, without lines, taxes and payments."""
    at = _utc(order.processed_at or order.created_at)
    body = {
        "status": "pending",
        "public_id": public_id(order, settings),
        "customer_id": references.customer_id,
        "billing_address_id": references.billing_address_id,
        "shipping_address_id": references.shipping_address_id,
        "source_location_id": references.source_location_id,
        "station_id": references.station_id,
        "shipping_method_id": settings.shipping_method_id,
        "shipping_charge": desired.shipping,
        "sales_rep": settings.sales_rep or None,
        "custom": {settings.order_id_field: order.id, **_note(order, settings)},
        "created_at": at,
        "updated_at": at,
    }
    return {name: value for name, value in body.items() if value is not None}


def public_id(order: Order, settings: HeartlandOrderSettings) -> str:
    """The order number that stores see: the configured prefix and Shopify's order name without `#`."""
    return settings.order_prefix + order.name.removeprefix("#").strip()


def _note(order: Order, settings: HeartlandOrderSettings) -> dict[str, str]:
    return {settings.note_field: order.note} if settings.note_field and order.note else {}


def _header(
    order: Order, desired: DesiredOrder, references: References, actual: ActualOrder, settings: HeartlandOrderSettings
) -> dict[str, object]:
    """Header fields that differ. A field that we have no value for keeps its value in Heartland."""
    current = actual.order
    fields = {
        "customer_id": (references.customer_id, current.customer_id),
        "billing_address_id": (references.billing_address_id, current.billing_address_id),
        "shipping_address_id": (references.shipping_address_id, current.shipping_address_id),
    }
    changes: dict[str, object] = {
        name: value for name, (value, old_value) in fields.items() if value is not None and value != old_value
    }
    if desired.shipping != (current.shipping_charge or Decimal(0)):
        changes["shipping_charge"] = desired.shipping
    # As flat `custom@` fields: it is not documented whether a nested `custom` keeps the keys that it does not name.
    notes = _note(order, settings).items()
    return changes | {f"custom@{name}": text for name, text in notes if current.custom.get(name, "") != text}


def _tax_steps(desired: DesiredOrder, actual: ActualOrder) -> Iterator[Step]:
    """The difference of each tax. Taxes that Heartland added itself are reversed by one negative tax."""
    booked: dict[str, Decimal] = {}
    for tax in actual.taxes:
        booked[tax.description] = booked.get(tax.description, Decimal(0)) + tax.value
    computed = total(value for title, value in booked.items() if title not in desired.taxes)
    if computed:
        yield AddTax({"description": TAX_REVERSAL, "value": -computed})
    for title, amount in desired.taxes.items():
        difference = amount - booked.get(title, Decimal(0))
        if difference:
            yield AddTax({"description": title, "value": difference})


def _status_steps(
    desired: DesiredOrder, actual: ActualOrder, settings: HeartlandOrderSettings
) -> tuple[list[Step], list[Problem]]:
    if not desired.cancelled:
        return ([ChangeOrder({"status": "open"})] if actual.pending else []), []
    if actual.closed or actual.invoiced:
        return [], [
            cancel_by_hand(actual, "It is invoiced already: enter a return in Heartland once the goods are back.")
        ]
    if not settings.can_cancel_order:
        return [], [cancel_by_hand(actual, "Cancel it in Heartland and release its stock.")]
    return [CancelOrder()], []


def cancel_by_hand(actual: ActualOrder, advice: str) -> Problem:
    """The review of a cancellation that cannot be written. `advice` says how to cancel by hand."""
    return Problem(
        kind="cancel_by_hand",
        title=f"Order {actual.order.public_id} was cancelled in Shopify, but not in Heartland",
        advice=f"Stores may still ship it. {advice}",
        details={"heartland_order_id": actual.order.id},
    )


def _canceled_in_heartland(desired: DesiredOrder) -> Iterator[Problem]:
    if not desired.cancelled:
        yield Problem(
            kind="canceled_in_heartland",
            title="The order was canceled in Heartland, but not in Shopify",
            advice="It is no longer updated in Heartland and will not be shipped from there. Cancel it in Shopify too, "
            "or enter it in Heartland again.",
        )


def _unknown_lines(edits: Edits) -> Iterator[Problem]:
    if edits.unknown:
        yield Problem(
            kind="extra_lines",
            title="The Heartland order has lines that Shopify does not have",
            advice="They are left as they are, and stores will ship them. Check whether somebody added them on "
            "purpose; otherwise remove them in Heartland.",
            details={"line_ids": [line.id for line in edits.unknown]},
        )


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
