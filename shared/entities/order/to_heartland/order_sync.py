"""Writes a canonical order to Heartland: creates or updates its sales order.

The canonical order is the whole current order, and Heartland is made to match it: customer, addresses, the sales order
with status pending, lines, exact taxes, payments; the status becomes open last. An order that a crash left incomplete
is finished in the same way. The sequence is in shared/sync/sync.py; this module is the order's part of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from shared.canonical.event import read_event
from shared.canonical.priority import Priority
from shared.connectors.heartland.errors import Refused
from shared.entities.order.event import OrderEvent
from shared.entities.order.spec import CANONICAL_LINK
from shared.entities.order.to_heartland.account import Account
from shared.entities.order.to_heartland.actual import ActualOrderReader, heartland_id_in_shopify
from shared.entities.order.to_heartland.actual_order import ActualOrder
from shared.entities.order.to_heartland.desired import DesiredOrder, desired_order
from shared.entities.order.to_heartland.execute import ExecutionContext, effects_of, execute
from shared.entities.order.to_heartland.link_event import link_event
from shared.entities.order.to_heartland.payments import absent_payments, refund_problem
from shared.entities.order.to_heartland.plan import plan_order
from shared.entities.order.to_heartland.references import References, references
from shared.entities.order.to_heartland.steps import Step
from shared.errors import NeedsReview, Rejected
from shared.messaging.envelope import Envelope
from shared.messaging.kafka.producer import Producer
from shared.messaging.record import Result
from shared.runtime.clock import Clock
from shared.state.atomic_write import Intent, LinkPair
from shared.state.ledger import Effect
from shared.state.target_state import TargetState
from shared.state.versions import Verdict
from shared.sync.plan import Plan, Problem
from shared.sync.record_sync import Attempt, RecordSync

TARGET = "heartland"
ENTITY = "order"
# Every kind of review that an order's problems open: those that no longer apply are closed by the next write.
REVIEW_KINDS = (
    "cancel_by_hand", "canceled_in_heartland", "customer_linked_twice", "duplicate_customers", "duplicate_orders",
    "edit_after_invoice", "extra_lines", "heartland_refused", "link_conflict", "order_missing", "order_not_exact",
    "overpaid", "payment_by_hand", "payment_currency", "refund_by_hand",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class OrderInHeartland:
    """Orders with Heartland as their target: see `shared.sync.record_sync.SyncedEntity`.

    `account_of` returns the account of a connection. Previews have no `producer`: then no link is published.
    """

    account_of: Callable[[str], Account]
    clock: Clock
    producer: Producer | None = None
    entity: str = ENTITY
    target: str = TARGET
    review_kinds: Sequence[str] = REVIEW_KINDS

    def read(self, body: bytes) -> OrderEvent:
        return read_event(OrderEvent, body, ENTITY)

    def customer_of(self, event: OrderEvent) -> str:
        return event.record.customer.shopify_id

    def definitions_version(self, connection: str) -> int:
        return self.account_of(connection).definitions_version

    def open(self, attempt: Attempt[OrderEvent]) -> OrderSync:
        return OrderSync(self.account_of(attempt.event.connection), attempt, self.producer, self.clock)

    def skipped(self, verdict: Verdict, event: OrderEvent, state: TargetState) -> Result:
        return _result(verdict, event, state.link.heartland_id if state.link else "")


@dataclass(frozen=True, slots=True)
class Actual:
    """What Heartland holds: the order, None if not created yet, and the ids of records it refers to."""

    order: ActualOrder | None
    references: References
    problems: Sequence[Problem]

    @property
    def existing_order(self) -> ActualOrder:
        """The order, once it is created."""
        assert self.order is not None  # noqa: S101 - a plan is not complete before the order is created
        return self.order


class OrderSync(RecordSync[DesiredOrder, Actual, Step]):
    """One attempt to write one order to one account."""

    def __init__(self, account: Account, attempt: Attempt[OrderEvent], producer: Producer | None, clock: Clock) -> None:
        self.definitions_version = account.definitions_version
        self.read_lag_seconds = account.lag.seconds
        self._account = account
        self._event = attempt.event
        self._order = attempt.event.record
        self._state = attempt.state
        self._work = attempt.work
        self._context = attempt.context
        self._producer = producer
        self._clock = clock
        self._reader = ActualOrderReader(account, self._order, attempt.work, attempt.context)
        self._execution = ExecutionContext(account, self._order.id, self._reader, attempt.work, attempt.context)

    def desired(self) -> DesiredOrder:
        return desired_order(self._order, self._account.settings)

    async def actual(self, desired: DesiredOrder) -> Actual:
        """Raises Waiting for an item that Heartland does not have yet."""
        account, context = self._account, self._context
        items = await account.items.get_or_create(desired.skus, desired.extras, context)
        gateways = (payment.gateway for payment in desired.payments)
        payment_types = await account.payment_types.get_or_create(gateways, context)
        location = await account.location.get(context)
        order = await self._reader.find(self._state.link)
        buyer = await account.customers.get_or_create(
            self._order,
            self._work,
            context,
            linked_id=int(self._state.buyer_id) if self._state.buyer_id else None,
            current_id=order.order.customer_id if order else None,
        )
        return Actual(order, references(items, payment_types, location, buyer), buyer.problems)

    def plan(self, desired: DesiredOrder, actual: Actual) -> Plan[Step]:
        return plan_order(self._order, desired, actual.references, actual.order, self._account.settings)

    def effects(self, plan: Plan[Step]) -> Mapping[Effect, Intent | None]:
        return dict.fromkeys(effects_of(plan.steps, self._execution))

    async def execute(self, step: Step, actual: Actual) -> Actual:
        order = await execute(step, actual.order, self._execution)
        self._account.recent.keep(self._order.id, order)
        return replace(actual, order=order)

    def settled(self, actual: Actual) -> Sequence[Problem]:
        self._settle_in_doubt(actual.existing_order)
        problems = [self._reader.duplicates, refund_problem(self._order, actual.existing_order)]
        return [*actual.problems, *filter(None, problems)]

    def _settle_in_doubt(self, order: ActualOrder) -> None:
        """Settle effects in doubt: Heartland was read after they could last be sent, and matches now.

        So they are done, except payments that Heartland does not show: those were never applied, and are not owed.
        """
        absent = absent_payments(self._reader.in_doubt, order, self._account.settings)
        for operation, claim in self._reader.in_doubt.items():
            effect = self._execution.effect(operation)
            if operation in absent:
                self._work.unused.append((effect, claim))
            else:
                self._work.done.setdefault(effect, {"id": str(order.order.id)})

    async def publish(self, actual: Actual, cause: Envelope, priority: Priority) -> None:
        """Publish the link, unless the order's metafield in Shopify already holds the Heartland id."""
        sales_order = actual.existing_order.order
        if self._producer is None:
            return
        if heartland_id_in_shopify(self._order, self._account.namespace) == str(sales_order.id):
            return
        event = link_event(sales_order, self._event, cause, priority, self._clock.now())
        await self._producer.send(CANONICAL_LINK, event)

    def forget(self) -> None:
        self._account.recent.forget(self._order.id)

    def refusal(self, error: Rejected) -> Problem | None:
        """The review of a refused call. A stale cache may be the reason, so the retry reads anew."""
        if not isinstance(error, Refused):
            return None
        self._account.items.forget(line.sku for line in self._order.lines)
        if error.names("customer_id"):
            self._account.customers.recheck(self._order)
        return Problem(
            kind="heartland_refused",
            title=error.reason,
            advice=f"Order {self._order.name} is missing or incomplete in Heartland. Change there what Heartland asks "
            "for (a required field, a setting); the order is retried automatically.",
            details={"code": error.code, "fields": {name: list(texts) for name, texts in error.details.items()}},
        )

    def conflict(self, pair: LinkPair, conflict: NeedsReview) -> Problem:
        """The review of a customer that is linked to two Shopify customers: the order is written anyway."""
        if pair.entity == ENTITY:
            raise conflict
        self._account.customers.forget(pair.shopify_id)
        return Problem("customer_linked_twice", conflict.reason, conflict.advice, dict(conflict.details))

    def result(self, actual: Actual) -> Result:
        order = actual.existing_order
        verb = "created" if order.is_new else "updated"
        detail = f"{verb}: {len(order.lines)} lines, {len(order.payments)} payments, {order.status}"
        return _result("applied", self._event, str(order.order.id), detail)


def _result(outcome: str, event: OrderEvent, heartland_id: str, detail: str = "") -> Result:
    return Result(
        outcome=outcome,
        detail=detail,
        order_number=event.record.name,
        shopify_id=event.record.id,
        heartland_id=heartland_id,
        source_time=event.version,
        lineage=event.lineage,
    )
