"""From what an order should be and what Heartland has of it, to the calls that remain. Pure.

The same function serves a new order, one that was left half-built by a crash, and an update: it only looks at the
difference. An order is built as `pending` and opened last, since the stores act on what is open.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

from shared.canonical.money import total
from shared.connectors.heartland.settings import HeartlandSettings
from shared.entities.order.record import Order
from shared.entities.order.to_heartland.actual import ActualOrder, References
from shared.entities.order.to_heartland.desired import DesiredOrder
from shared.entities.order.to_heartland.lines import Edits, edit_lines
from shared.entities.order.to_heartland.payments import payment_steps
from shared.entities.order.to_heartland.steps import (
    AddTax,
    CancelOrder,
    ChangeOrder,
    CreateOrder,
    Finding,
    Plan,
    ReadInvoices,
    ReadTaxes,
    Step,
)

TAX_RESET = "Tax computed by Heartland, taken back"


def plan_order(
    order: Order, wanted: DesiredOrder, references: References, known: ActualOrder | None, rules: HeartlandSettings
) -> Plan:
    """What to do next about this order. Ask again with what the steps brought, until the plan is complete."""
    if known is None:
        return Plan((CreateOrder(order_body(order, wanted, references, rules)),), complete=False)
    if known.canceled:
        return Plan((), tuple(_canceled_there(wanted)))
    edits = edit_lines(wanted.lines, known.lines, references, rules)
    header = _header(order, wanted, references, known, rules)
    moves_money = bool(edits.steps) or "shipping_charge" in header
    strangers = tuple(_strangers(edits))
    if moves_money and _is_late(known):
        return _too_late(wanted, references, known, rules, strangers)
    if (edits.steps or header) and not known.closed:
        return _change(edits, header, known, moves_money)
    if known.taxes_stale and rules.tax_recomputed:
        return Plan((ReadTaxes(),), complete=False)
    return _finish(wanted, references, known, rules, strangers)


def _is_late(known: ActualOrder) -> bool:
    """Whether goods are invoiced, as far as we know."""
    return known.closed or bool(known.invoiced)


def _change(edits: Edits, header: dict[str, object], known: ActualOrder, moves_money: bool) -> Plan:
    """Lines and header first: what Heartland makes of the taxes depends on them."""
    if moves_money and not known.pending and known.invoiced is None:
        return Plan((ReadInvoices(),), complete=False)
    changes = [ChangeOrder(header)] if header else []
    return Plan((*edits.steps, *changes), complete=False)


def _finish(
    wanted: DesiredOrder,
    references: References,
    known: ActualOrder,
    rules: HeartlandSettings,
    findings: tuple[Finding, ...],
) -> Plan:
    """Lines stand as they should: taxes, payments, status."""
    if wanted.cancelled and known.invoiced is None and not (known.pending or known.closed):
        return Plan((ReadInvoices(),), complete=False)
    taxes = [] if known.closed else list(_tax_steps(wanted, known))
    payments, over = payment_steps(wanted, references, known, rules, wanted.total)
    status, more = _status_steps(wanted, known, rules)
    return Plan((*taxes, *payments, *status), (*findings, *over, *more))


def _too_late(
    wanted: DesiredOrder,
    references: References,
    known: ActualOrder,
    rules: HeartlandSettings,
    findings: tuple[Finding, ...],
) -> Plan:
    """The goods are invoiced: what was sold stays as it is, what was paid for that is still brought in."""
    finding = Finding(
        kind="edit_after_invoice",
        title=f"Heartland order {known.order.public_id} was invoiced before it was edited in Shopify",
        advice="Book the difference in Heartland by hand: a return for what came off, a ticket with its payment for "
        "what was added.",
        details={"heartland_order_id": known.order.id, "shopify_total": str(wanted.total)},
        blocks=True,
    )
    payments, _ = payment_steps(wanted, references, known, rules, known.cost)  # the finding speaks of the difference
    status, more = _status_steps(wanted, known, rules)
    return Plan((*payments, *status), (*findings, finding, *more))


def order_body(
    order: Order, wanted: DesiredOrder, references: References, rules: HeartlandSettings
) -> dict[str, object]:
    """A new order's header."""
    at = _utc(order.processed_at or order.created_at)
    body = {
        "status": "pending",
        "public_id": public_id(order, rules),
        "customer_id": references.customer_id,
        "billing_address_id": references.billing_address_id,
        "shipping_address_id": references.shipping_address_id,
        "source_location_id": references.source_location_id,
        "station_id": references.station_id,
        "shipping_method_id": rules.shipping_method_id,
        "shipping_charge": wanted.shipping,
        "sales_rep": rules.sales_rep or None,
        "custom": {rules.order_id_field: order.id, **_note(order, rules)},
        "created_at": at,
        "updated_at": at,
    }
    return {name: value for name, value in body.items() if value is not None}


def public_id(order: Order, rules: HeartlandSettings) -> str:
    """The number that the stores see: our prefix and Shopify's name without `#`."""
    return rules.order_prefix + order.name.removeprefix("#").strip()


def _note(order: Order, rules: HeartlandSettings) -> dict[str, str]:
    return {rules.note_field: order.note} if rules.note_field and order.note else {}


def _header(
    order: Order, wanted: DesiredOrder, references: References, known: ActualOrder, rules: HeartlandSettings
) -> dict[str, object]:
    """Header fields that differ. What we do not know never blanks what Heartland knows."""
    there = known.order
    fields = {
        "customer_id": (references.customer_id, there.customer_id),
        "billing_address_id": (references.billing_address_id, there.billing_address_id),
        "shipping_address_id": (references.shipping_address_id, there.shipping_address_id),
    }
    changes: dict[str, object] = {
        name: ours for name, (ours, theirs) in fields.items() if ours is not None and ours != theirs
    }
    if wanted.shipping != (there.shipping_charge or Decimal(0)):
        changes["shipping_charge"] = wanted.shipping
    # Flat, since it is not known whether a nested `custom` keeps the keys that it does not name.
    notes = _note(order, rules).items()
    return changes | {f"custom@{name}": text for name, text in notes if there.custom.get(name, "") != text}


def _tax_steps(wanted: DesiredOrder, known: ActualOrder) -> Iterator[Step]:
    """Difference by title. What Heartland computed on its own is taken back by one negative line."""
    there: dict[str, Decimal] = {}
    for tax in known.taxes:
        there[tax.description] = there.get(tax.description, Decimal(0)) + tax.value
    foreign = total(value for title, value in there.items() if title not in wanted.taxes)
    if foreign:
        yield AddTax({"description": TAX_RESET, "value": -foreign})
    for title, amount in wanted.taxes.items():
        difference = amount - there.get(title, Decimal(0))
        if difference:
            yield AddTax({"description": title, "value": difference})


def _status_steps(
    wanted: DesiredOrder, known: ActualOrder, rules: HeartlandSettings
) -> tuple[list[Step], list[Finding]]:
    if not wanted.cancelled:
        return ([ChangeOrder({"status": "open"})] if known.pending else []), []
    if known.closed or known.invoiced:
        return [], [cancel_by_hand(known, "it is invoiced already; take the goods back with a return")]
    if not rules.can_cancel_order:
        return [], [cancel_by_hand(known, "cancel it in Heartland and release its stock")]
    return [CancelOrder()], []


def cancel_by_hand(known: ActualOrder, what: str) -> Finding:
    return Finding(
        kind="cancel_by_hand",
        title=f"Heartland order {known.order.public_id} was cancelled in Shopify",
        advice=f"Order {known.order.public_id}: {what}.",
        details={"heartland_order_id": known.order.id},
    )


def _canceled_there(wanted: DesiredOrder) -> Iterator[Finding]:
    if not wanted.cancelled:
        yield Finding(
            kind="canceled_in_heartland",
            title="The order was canceled in Heartland but stands in Shopify",
            advice="Cancel it in Shopify too, or enter it again in Heartland.",
        )


def _strangers(edits: Edits) -> Iterator[Finding]:
    if edits.strangers:
        yield Finding(
            kind="extra_lines",
            title="The Heartland order has lines that Shopify does not have",
            advice="Check whether somebody added them on purpose; remove them in Heartland otherwise.",
            details={"line_ids": [line.id for line in edits.strangers]},
        )


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
