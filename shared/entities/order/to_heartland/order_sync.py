"""A canonical order becomes, or updates, one sales order in Heartland.

Given the whole order as it stands, Heartland is made to match: customer, addresses, the order as pending, lines, exact
taxes, payments, and only then open. The same path finishes what a crash left half-built. The sequence is in
shared/sync/sync.py; this is what the order brings to it.
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
from shared.entities.order.to_heartland.actual import ActualOrderReader, noted_id
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
from shared.sync.sync import Attempt, RecordSync

TARGET = "heartland"
ENTITY = "order"
# Every review that a problem of this entity opens, so that it can be resolved once it is over.
REVIEW_KINDS = (
    "cancel_by_hand", "canceled_in_heartland", "customer_linked_twice", "duplicate_customers", "duplicate_orders",
    "edit_after_invoice", "extra_lines", "heartland_refused", "link_conflict", "order_missing", "order_not_exact",
    "overpaid", "payment_by_hand", "payment_currency", "refund_by_hand",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class OrderInHeartland:
    """Orders with Heartland as their target: see `shared.sync.sync.SyncedEntity`. `account_of` is by connection.

    Without a `producer` links are not published, which is for previews.
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
    """What Heartland holds: the order, None where it has none, and the records that its calls name."""

    order: ActualOrder | None
    references: References
    problems: Sequence[Problem]

    @property
    def there(self) -> ActualOrder:
        """The order, once it is written."""
        assert self.order is not None  # noqa: S101 - a plan is not complete before the order is created
        return self.order


class OrderSync(RecordSync[DesiredOrder, Actual, Step]):
    """One order on its way into one account."""

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
        return desired_order(self._order, self._account.rules)

    async def actual(self, desired: DesiredOrder) -> Actual:
        """Raises Waiting for an item that Heartland does not have (yet)."""
        account, context = self._account, self._context
        items = await account.items.find(desired.skus, desired.extras, context)
        gateways = (payment.gateway for payment in desired.payments)
        payment_types = await account.payment_types.find(gateways, context)
        location = await account.location.get(context)
        order = await self._reader.find(self._state.link)
        buyer = await account.customers.of(
            self._order,
            self._work,
            context,
            linked_id=int(self._state.buyer_id) if self._state.buyer_id else None,
            known_id=order.order.customer_id if order else None,
        )
        return Actual(order, references(items, payment_types, location, buyer), buyer.problems)

    def plan(self, desired: DesiredOrder, actual: Actual) -> Plan[Step]:
        return plan_order(self._order, desired, actual.references, actual.order, self._account.rules)

    def effects(self, plan: Plan[Step]) -> Mapping[Effect, Intent | None]:
        return dict.fromkeys(effects_of(plan.steps, self._execution))

    async def execute(self, step: Step, actual: Actual) -> Actual:
        order = await execute(step, actual.order, self._execution)
        self._account.recent.keep(self._order.id, order)
        return replace(actual, order=order)

    def settled(self, actual: Actual) -> Sequence[Problem]:
        self._settle_doubts(actual.there)
        found = [self._reader.duplicates, refund_problem(self._order, actual.there)]
        return [*actual.problems, *filter(None, found)]

    def _settle_doubts(self, order: ActualOrder) -> None:
        """What a crash left in doubt is there by now: Heartland matches, and was read after the doubt began.

        Except for payments that it does not show: they never came, and nothing is owed any more.
        """
        absent = absent_payments(self._reader.in_doubt, order, self._account.rules)
        for operation, claim in self._reader.in_doubt.items():
            effect = self._execution.effect(operation)
            if operation in absent:
                self._work.unused.append((effect, claim))
            else:
                self._work.done.setdefault(effect, {"id": str(order.order.id)})

    async def publish(self, actual: Actual, cause: Envelope, priority: Priority) -> None:
        """Tell Shopify's side our id, until the order itself shows that it knows it."""
        there = actual.there.order
        if self._producer is None or noted_id(self._order, self._account.namespace) == str(there.id):
            return
        await self._producer.send(CANONICAL_LINK, link_event(there, self._event, cause, priority, self._clock.now()))

    def forget(self) -> None:
        self._account.recent.forget(self._order.id)

    def refusal(self, error: Rejected) -> Problem | None:
        """A person may change in Heartland what it asks for; meanwhile what was cached may be the reason."""
        if not isinstance(error, Refused):
            return None
        self._account.items.forget(line.sku for line in self._order.lines)
        if error.names("customer_id"):
            self._account.customers.doubt(self._order)
        return Problem(
            kind="heartland_refused",
            title=error.reason,
            advice="Change in Heartland what it asks for (a required field, a setting); it is tried again by itself.",
            details={"code": error.code, "fields": {name: list(texts) for name, texts in error.details.items()}},
        )

    def conflict(self, pair: LinkPair, conflict: NeedsReview) -> Problem:
        """A customer that is linked to another Shopify customer does not stop the order."""
        if pair.entity == ENTITY:
            raise conflict
        self._account.customers.forget(pair.shopify_id)
        return Problem("customer_linked_twice", conflict.reason, conflict.advice, dict(conflict.details))

    def result(self, actual: Actual) -> Result:
        order = actual.there
        verb = "created" if order.is_new else "brought up to date"
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
