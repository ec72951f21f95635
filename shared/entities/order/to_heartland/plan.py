"""Plans the calls that remain, from the desired order and the one that Heartland holds. Pure.

The same function serves a new order, one that was left half-built by a crash, and an update: it only looks at the
difference. An order is built as `pending` and opened last, since the stores act on what is open.
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

TAX_RESET = "Tax computed by Heartland, taken back"


def plan_order(
    order: Order,
    desired: DesiredOrder,
    references: References,
    actual: ActualOrder | None,
    rules: HeartlandOrderSettings,
) -> Plan[Step]:
    """The next steps. Plan again with what they brought, until the plan is complete."""
    if actual is None:
        return Plan((CreateOrder(order_body(order, desired, references, rules)),), complete=False)
    if actual.canceled:
        return Plan((), tuple(_canceled_there(desired)))
    edits = edit_lines(desired.lines, actual.lines, references, rules)
    header = _header(order, desired, references, actual, rules)
    moves_money = bool(edits.steps) or "shipping_charge" in header
    strangers = tuple(_strangers(edits))
    if moves_money and _is_late(actual):
        return _too_late(desired, references, actual, rules, strangers)
    if (edits.steps or header) and not actual.closed:
        return _change(edits, header, actual, moves_money)
    if actual.taxes_stale and rules.tax_recomputed:
        return Plan((ReadTaxes(),), complete=False)
    return _finish(desired, references, actual, rules, strangers)


def _is_late(actual: ActualOrder) -> bool:
    """Whether goods are invoiced, as far as we know."""
    return actual.closed or bool(actual.invoiced)


def _change(edits: Edits, header: dict[str, object], actual: ActualOrder, moves_money: bool) -> Plan[Step]:
    """Lines and header first: what Heartland makes of the taxes depends on them."""
    if moves_money and not actual.pending and actual.invoiced is None:
        return Plan((ReadInvoices(),), complete=False)
    changes = [ChangeOrder(header)] if header else []
    return Plan((*edits.steps, *changes), complete=False)


def _finish(
    desired: DesiredOrder,
    references: References,
    actual: ActualOrder,
    rules: HeartlandOrderSettings,
    problems: tuple[Problem, ...],
) -> Plan[Step]:
    """Lines are as desired: what remains are taxes, payments and status."""
    if desired.cancelled and actual.invoiced is None and not (actual.pending or actual.closed):
        return Plan((ReadInvoices(),), complete=False)
    taxes = [] if actual.closed else list(_tax_steps(desired, actual))
    payments, over = payment_steps(desired, references, actual, rules, desired.total)
    status, more = _status_steps(desired, actual, rules)
    return Plan((*taxes, *payments, *status), (*problems, *over, *more))


def _too_late(
    desired: DesiredOrder,
    references: References,
    actual: ActualOrder,
    rules: HeartlandOrderSettings,
    problems: tuple[Problem, ...],
) -> Plan[Step]:
    """The goods are invoiced: what was sold stays as it is, what was paid for that is still brought in."""
    problem = Problem(
        kind="edit_after_invoice",
        title=f"Heartland order {actual.order.public_id} was invoiced before it was edited in Shopify",
        advice="Book the difference in Heartland by hand: a return for what came off, a ticket with its payment for "
        "what was added.",
        details={"heartland_order_id": actual.order.id, "shopify_total": str(desired.total)},
        blocks=True,
    )
    payments, _ = payment_steps(desired, references, actual, rules, actual.cost)  # the problem speaks of the difference
    status, more = _status_steps(desired, actual, rules)
    return Plan((*payments, *status), (*problems, problem, *more))


def order_body(
    order: Order, desired: DesiredOrder, references: References, rules: HeartlandOrderSettings
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
        "shipping_charge": desired.shipping,
        "sales_rep": rules.sales_rep or None,
        "custom": {rules.order_id_field: order.id, **_note(order, rules)},
        "created_at": at,
        "updated_at": at,
    }
    return {name: value for name, value in body.items() if value is not None}


def public_id(order: Order, rules: HeartlandOrderSettings) -> str:
    """The number that the stores see: our prefix and Shopify's name without `#`."""
    return rules.order_prefix + order.name.removeprefix("#").strip()


def _note(order: Order, rules: HeartlandOrderSettings) -> dict[str, str]:
    return {rules.note_field: order.note} if rules.note_field and order.note else {}


def _header(
    order: Order, desired: DesiredOrder, references: References, actual: ActualOrder, rules: HeartlandOrderSettings
) -> dict[str, object]:
    """Header fields that differ. What we do not know never blanks what Heartland knows."""
    there = actual.order
    fields = {
        "customer_id": (references.customer_id, there.customer_id),
        "billing_address_id": (references.billing_address_id, there.billing_address_id),
        "shipping_address_id": (references.shipping_address_id, there.shipping_address_id),
    }
    changes: dict[str, object] = {
        name: ours for name, (ours, theirs) in fields.items() if ours is not None and ours != theirs
    }
    if desired.shipping != (there.shipping_charge or Decimal(0)):
        changes["shipping_charge"] = desired.shipping
    # Flat, since it is not known whether a nested `custom` keeps the keys that it does not name.
    notes = _note(order, rules).items()
    return changes | {f"custom@{name}": text for name, text in notes if there.custom.get(name, "") != text}


def _tax_steps(desired: DesiredOrder, actual: ActualOrder) -> Iterator[Step]:
    """Difference by title. What Heartland computed on its own is taken back by one negative line."""
    there: dict[str, Decimal] = {}
    for tax in actual.taxes:
        there[tax.description] = there.get(tax.description, Decimal(0)) + tax.value
    foreign = total(value for title, value in there.items() if title not in desired.taxes)
    if foreign:
        yield AddTax({"description": TAX_RESET, "value": -foreign})
    for title, amount in desired.taxes.items():
        difference = amount - there.get(title, Decimal(0))
        if difference:
            yield AddTax({"description": title, "value": difference})


def _status_steps(
    desired: DesiredOrder, actual: ActualOrder, rules: HeartlandOrderSettings
) -> tuple[list[Step], list[Problem]]:
    if not desired.cancelled:
        return ([ChangeOrder({"status": "open"})] if actual.pending else []), []
    if actual.closed or actual.invoiced:
        return [], [cancel_by_hand(actual, "it is invoiced already; take the goods back with a return")]
    if not rules.can_cancel_order:
        return [], [cancel_by_hand(actual, "cancel it in Heartland and release its stock")]
    return [CancelOrder()], []


def cancel_by_hand(actual: ActualOrder, what: str) -> Problem:
    return Problem(
        kind="cancel_by_hand",
        title=f"Heartland order {actual.order.public_id} was cancelled in Shopify",
        advice=f"Order {actual.order.public_id}: {what}.",
        details={"heartland_order_id": actual.order.id},
    )


def _canceled_there(desired: DesiredOrder) -> Iterator[Problem]:
    if not desired.cancelled:
        yield Problem(
            kind="canceled_in_heartland",
            title="The order was canceled in Heartland but stands in Shopify",
            advice="Cancel it in Shopify too, or enter it again in Heartland.",
        )


def _strangers(edits: Edits) -> Iterator[Problem]:
    if edits.strangers:
        yield Problem(
            kind="extra_lines",
            title="The Heartland order has lines that Shopify does not have",
            advice="Check whether somebody added them on purpose; remove them in Heartland otherwise.",
            details={"line_ids": [line.id for line in edits.strangers]},
        )


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
