"""Does what the plan says, call by call, and keeps track of what Heartland then holds. Decides nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from shared.connectors.heartland.client import HeartlandClient
from shared.connectors.heartland.errors import Refused
from shared.entities.order.heartland.orders import (
    SalesOrderLine,
    SalesOrderPayment,
    SalesOrderTax,
    add_order_line,
    add_order_payment,
    add_order_tax,
    delete_order_line,
    invoices_of_order,
    read_order_payments,
    read_order_taxes,
    update_order,
    update_order_line,
)
from shared.entities.order.to_heartland import steps
from shared.entities.order.to_heartland.actual import ActualOrder
from shared.entities.order.to_heartland.payments import payment_by_hand
from shared.entities.order.to_heartland.plan import cancel_by_hand
from shared.limits.call_context import CallContext, PreSendCheck
from shared.state.ledger import Effect
from shared.sync.create_once import CreateOnce
from shared.sync.unit_of_work import UnitOfWork

Keep = Callable[[ActualOrder], None]


@dataclass(frozen=True, slots=True)
class ExecutionContext:
    """What carrying out needs besides the steps. `lag_seconds`: how late reads may be; `context` of its calls."""

    heartland: HeartlandClient
    context: CallContext
    once: CreateOnce
    connection: str
    key: str
    lag_seconds: float
    pending: UnitOfWork

    def effect(self, operation: str) -> Effect:
        return Effect(self.connection, "heartland", "order", self.key, operation)


async def execute(plan: tuple[steps.Step, ...], known: ActualOrder, bench: ExecutionContext, keep: Keep) -> ActualOrder:
    """What Heartland holds after the steps. `keep` is told after each, so that a failure loses no knowledge.

    Raises what the client raises.
    """
    for step in plan:
        known = await _DO[type(step)](step, known, bench)
        keep(known)
    return known


async def _add_line(step: steps.AddLine, known: ActualOrder, bench: ExecutionContext) -> ActualOrder:
    line_id = await add_order_line(bench.heartland, known.order.id, step.body, bench.context)
    line = SalesOrderLine.model_validate({"id": line_id or 0, **step.body})
    return replace(known, lines=(*known.lines, line), taxes_stale=True)


async def _change_line(step: steps.ChangeLine, known: ActualOrder, bench: ExecutionContext) -> ActualOrder:
    await update_order_line(bench.heartland, known.order.id, step.line_id, step.changes, bench.context)
    lines = (line.model_copy(update=_typed(step.changes)) if line.id == step.line_id else line for line in known.lines)
    return replace(known, lines=tuple(lines), taxes_stale=True)


async def _remove_line(step: steps.RemoveLine, known: ActualOrder, bench: ExecutionContext) -> ActualOrder:
    await delete_order_line(bench.heartland, known.order.id, step.line_id, bench.context)
    lines = tuple(line for line in known.lines if line.id != step.line_id)
    return replace(known, lines=lines, taxes_stale=True)


async def _change_order(step: steps.ChangeOrder, known: ActualOrder, bench: ExecutionContext) -> ActualOrder:
    await update_order(bench.heartland, known.order.id, step.changes, bench.context)
    custom = {name.removeprefix("custom@"): text for name, text in step.changes.items() if name.startswith("custom@")}
    fields = {name: value for name, value in step.changes.items() if not name.startswith("custom@")}
    changed = {**fields, "custom": {**known.order.custom, **custom}}
    stale = known.taxes_stale or "shipping_charge" in fields
    return replace(known, order=known.order.model_copy(update=changed), taxes_stale=stale)


async def _cancel_order(_: steps.CancelOrder, known: ActualOrder, bench: ExecutionContext) -> ActualOrder:
    try:
        return await _change_order(steps.ChangeOrder({"status": "canceled"}), known, bench)
    except Refused as refusal:
        raise cancel_by_hand(known, f"cancel it in Heartland ({refusal.reason})").error() from refusal


async def _read_taxes(_: steps.ReadTaxes, known: ActualOrder, bench: ExecutionContext) -> ActualOrder:
    there = await read_order_taxes(bench.heartland, known.order.id, bench.context)
    return replace(known, taxes=merged(known.taxes, there), taxes_stale=False)


def merged(ours: Sequence[SalesOrderTax], there: Sequence[SalesOrderTax]) -> tuple[SalesOrderTax, ...]:
    """What is there and what we know to be there: a tax added a moment ago may not show in reads yet.

    Heartland does not always say the id of a tax that it took; such a one is known by what it says.
    """
    ids = {tax.id for tax in ours}
    new = [(tax.description, tax.value) for tax in there if tax.id not in ids]
    late = [tax for tax in ours if tax.id and tax.id not in {one.id for one in there}]
    for tax in ours:
        if tax.id == 0 and (tax.description, tax.value) in new:
            new.remove((tax.description, tax.value))
        elif tax.id == 0:
            late.append(tax)
    return (*there, *late)


async def _read_invoices(_: steps.ReadInvoices, known: ActualOrder, bench: ExecutionContext) -> ActualOrder:
    invoices = await invoices_of_order(bench.heartland, known.order.id, bench.context)
    return replace(known, invoiced=any(_counts(invoice) for invoice in invoices))


def _counts(invoice: Mapping[str, Any]) -> bool:
    return str(invoice.get("status", "")).lower() not in ("void", "voided", "canceled", "cancelled")


async def _add_tax(step: steps.AddTax, known: ActualOrder, bench: ExecutionContext) -> ActualOrder:
    tax_id = await add_order_tax(bench.heartland, known.order.id, step.body, bench.context)
    return replace(known, taxes=(*known.taxes, SalesOrderTax.model_validate({"id": tax_id or 0, **step.body})))


async def _add_payment(step: steps.AddPayment, known: ActualOrder, bench: ExecutionContext) -> ActualOrder:
    """A payment is a fact: the ledger decides, and what we read only helps where the ledger is in doubt."""
    effect, is_there = bench.effect(step.operation), False
    booked = SalesOrderPayment.model_validate(step.body)

    async def send(check: PreSendCheck) -> int:
        nonlocal is_there
        context = bench.context.checked_by(check)
        made = await add_order_payment(bench.heartland, known.order.id, step.body, context) or 0
        is_there = True
        return made

    async def find() -> int | None:
        nonlocal is_there
        there = await read_order_payments(bench.heartland, known.order.id, bench.context)
        found = _found(booked, there, known.payments)
        is_there = found is not None
        return found

    try:
        await bench.once.create(effect, send, find, bench.lag_seconds, pending=bench.pending)
    except Refused as refusal:
        if known.closed:
            raise payment_by_hand(known, booked, refusal.reason).error() from refusal
        raise
    # Booked long ago, and not there: somebody deleted it. It is not booked again, nor told of as if it were there.
    return replace(known, payments=(*known.payments, booked)) if is_there else known


def _found(
    payment: SalesOrderPayment, there: Sequence[SalesOrderPayment], accounted: Sequence[SalesOrderPayment]
) -> int | None:
    """The payment by its custom field; else one more of its type and amount than are accounted for."""
    named = [one for one in there if one.custom and one.custom == payment.custom]
    alike = [one for one in there if one.same_money(payment)]
    spare = len(alike) > sum(one.same_money(payment) for one in accounted)
    return next((one.id for one in (*named, *(alike if spare else ()))), None)


def _typed(changes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: Decimal(value) if isinstance(value, int) else value for name, value in changes.items()}


_DO: dict[type, Callable[[Any, ActualOrder, ExecutionContext], Awaitable[ActualOrder]]] = {
    steps.AddLine: _add_line,
    steps.ChangeLine: _change_line,
    steps.RemoveLine: _remove_line,
    steps.ChangeOrder: _change_order,
    steps.CancelOrder: _cancel_order,
    steps.ReadTaxes: _read_taxes,
    steps.ReadInvoices: _read_invoices,
    steps.AddTax: _add_tax,
    steps.AddPayment: _add_payment,
}
