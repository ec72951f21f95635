"""Executes the steps of a plan, call by call, and returns the order as Heartland then holds it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
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
from shared.entities.order.to_heartland.account import Account
from shared.entities.order.to_heartland.actual import ActualOrderReader
from shared.entities.order.to_heartland.actual_order import ActualOrder
from shared.entities.order.to_heartland.create_order import OrderCreation
from shared.entities.order.to_heartland.ids import text_id
from shared.entities.order.to_heartland.payments import payment_by_hand
from shared.entities.order.to_heartland.plan import cancel_by_hand
from shared.limits.call_context import CallContext, PreSendCheck
from shared.state.ledger import Effect
from shared.sync.unit_of_work import UnitOfWork

CREATE = "order:create"


@dataclass(frozen=True, slots=True)
class ExecutionContext:
    """What all steps of one order need to be executed."""

    account: Account
    order_id: str
    reader: ActualOrderReader
    work: UnitOfWork
    call_context: CallContext

    @property
    def heartland(self) -> HeartlandClient:
        return self.account.heartland

    def effect(self, operation: str) -> Effect:
        return Effect(self.account.name, "heartland", "order", self.order_id, operation)


async def execute(step: steps.Step, actual: ActualOrder | None, execution: ExecutionContext) -> ActualOrder:
    """Execute one step. Returns the order as Heartland then holds it. Raises what the client raises."""
    if isinstance(step, steps.CreateOrder):
        creation = OrderCreation(
            step.body, execution.account, execution.order_id, execution.reader, execution.call_context
        )
        return await creation.run(execution.effect(CREATE), execution.work)
    assert actual is not None  # noqa: S101 - the first plan creates the order
    return await _EXECUTE[type(step)](step, actual, execution)


def effects_of(plan: Iterable[steps.Step], execution: ExecutionContext) -> list[Effect]:
    """The effects of these steps that must happen only once: the order's create and its payments."""
    names = (CREATE if isinstance(step, steps.CreateOrder) else getattr(step, "operation", "") for step in plan)
    return [execution.effect(name) for name in names if name]


async def _add_line(step: steps.AddLine, actual: ActualOrder, execution: ExecutionContext) -> ActualOrder:
    line_id = await add_order_line(execution.heartland, actual.order.id, step.body, execution.call_context)
    line = SalesOrderLine.model_validate({"id": line_id or 0, **step.body})
    return replace(actual, lines=(*actual.lines, line), taxes_stale=True)


async def _change_line(step: steps.ChangeLine, actual: ActualOrder, execution: ExecutionContext) -> ActualOrder:
    await update_order_line(execution.heartland, actual.order.id, step.line_id, step.changes, execution.call_context)
    lines = (line.model_copy(update=_typed(step.changes)) if line.id == step.line_id else line for line in actual.lines)
    return replace(actual, lines=tuple(lines), taxes_stale=True)


async def _remove_line(step: steps.RemoveLine, actual: ActualOrder, execution: ExecutionContext) -> ActualOrder:
    await delete_order_line(execution.heartland, actual.order.id, step.line_id, execution.call_context)
    lines = tuple(line for line in actual.lines if line.id != step.line_id)
    return replace(actual, lines=lines, taxes_stale=True)


async def _change_order(step: steps.ChangeOrder, actual: ActualOrder, execution: ExecutionContext) -> ActualOrder:
    await update_order(execution.heartland, actual.order.id, step.changes, execution.call_context)
    custom = {name.removeprefix("custom@"): text for name, text in step.changes.items() if name.startswith("custom@")}
    fields = {name: value for name, value in step.changes.items() if not name.startswith("custom@")}
    changed = {**fields, "custom": {**actual.order.custom, **custom}}
    stale = actual.taxes_stale or "shipping_charge" in fields
    return replace(actual, order=actual.order.model_copy(update=changed), taxes_stale=stale)


async def _cancel_order(_: steps.CancelOrder, actual: ActualOrder, execution: ExecutionContext) -> ActualOrder:
    try:
        return await _change_order(steps.ChangeOrder({"status": "canceled"}), actual, execution)
    except Refused as refusal:
        raise cancel_by_hand(actual, f"Cancel it in Heartland by hand ({refusal.reason}).").error() from refusal


async def _read_taxes(_: steps.ReadTaxes, actual: ActualOrder, execution: ExecutionContext) -> ActualOrder:
    read = await read_order_taxes(execution.heartland, actual.order.id, execution.call_context)
    return replace(actual, taxes=merge_taxes(actual.taxes, read), taxes_stale=False)


def merge_taxes(known: Sequence[SalesOrderTax], read: Sequence[SalesOrderTax]) -> tuple[SalesOrderTax, ...]:
    """The taxes that were read, and those just added that reads do not show yet.

    Heartland does not always return the id of a tax that was added: such a tax is recognised by title and value.
    """
    known_ids = {tax.id for tax in known}
    read_ids = {tax.id for tax in read}
    new = [(tax.description, tax.value) for tax in read if tax.id not in known_ids]
    not_shown = [tax for tax in known if tax.id and tax.id not in read_ids]
    for tax in known:
        if tax.id == 0 and (tax.description, tax.value) in new:
            new.remove((tax.description, tax.value))
        elif tax.id == 0:
            not_shown.append(tax)
    return (*read, *not_shown)


async def _read_invoices(_: steps.ReadInvoices, actual: ActualOrder, execution: ExecutionContext) -> ActualOrder:
    invoices = await invoices_of_order(execution.heartland, actual.order.id, execution.call_context)
    return replace(actual, invoiced=any(_is_valid(invoice) for invoice in invoices))


def _is_valid(invoice: Mapping[str, Any]) -> bool:
    return str(invoice.get("status", "")).lower() not in ("void", "voided", "canceled", "cancelled")


async def _add_tax(step: steps.AddTax, actual: ActualOrder, execution: ExecutionContext) -> ActualOrder:
    tax_id = await add_order_tax(execution.heartland, actual.order.id, step.body, execution.call_context)
    return replace(actual, taxes=(*actual.taxes, SalesOrderTax.model_validate({"id": tax_id or 0, **step.body})))


async def _add_payment(step: steps.AddPayment, actual: ActualOrder, execution: ExecutionContext) -> ActualOrder:
    """Book a payment once, by the ledger; if that is in doubt, a read decides."""
    account, is_booked = execution.account, False
    payment = SalesOrderPayment.model_validate(step.body)

    async def send(check: PreSendCheck) -> str:
        nonlocal is_booked
        checked = execution.call_context.checked_by(check)
        made = await add_order_payment(account.heartland, actual.order.id, step.body, checked)
        is_booked = True
        return str(made or 0)

    async def find() -> str | None:
        nonlocal is_booked
        read = await read_order_payments(account.heartland, actual.order.id, execution.call_context)
        found = _find_payment(payment, read, actual.payments)
        is_booked = found is not None
        return text_id(found)

    try:
        await account.create_once(execution.effect(step.operation), send, find, account.lag, work=execution.work)
    except Refused as refusal:
        if actual.closed:
            raise payment_by_hand(actual, payment, refusal.reason).error() from refusal
        raise
    # Booked earlier and not in Heartland any more: somebody deleted it. It is neither booked again nor counted.
    return replace(actual, payments=(*actual.payments, payment)) if is_booked else actual


def _find_payment(
    payment: SalesOrderPayment, read: Sequence[SalesOrderPayment], known: Sequence[SalesOrderPayment]
) -> int | None:
    """The payment's id, by custom field; else by type and amount, if more of them were read than known."""
    marked = [other for other in read if other.custom and other.custom == payment.custom]
    same_money = [other for other in read if other.same_money(payment)]
    has_new = len(same_money) > sum(other.same_money(payment) for other in known)
    return next((match.id for match in (*marked, *(same_money if has_new else ()))), None)


def _typed(changes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: Decimal(value) if isinstance(value, int) else value for name, value in changes.items()}


_EXECUTE: dict[type, Callable[[Any, ActualOrder, ExecutionContext], Awaitable[ActualOrder]]] = {
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
