"""Writes one order: resolves what it refers to, then plans and carries out until Heartland matches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from shared.connectors.heartland.errors import NotFound, Refused
from shared.entities.order.heartland.orders import SalesOrder, create_order, orders_by_custom_field, orders_by_number
from shared.entities.order.record import Order
from shared.entities.order.to_heartland.accounts import Account
from shared.entities.order.to_heartland.actual import ActualOrder, References, read_order
from shared.entities.order.to_heartland.customers import Buyer
from shared.entities.order.to_heartland.desired import DesiredOrder, desired_order
from shared.entities.order.to_heartland.execute import ExecutionContext, execute
from shared.entities.order.to_heartland.payments import absent_payments, refund_finding
from shared.entities.order.to_heartland.plan import plan_order
from shared.entities.order.to_heartland.steps import AddPayment, CreateOrder, Finding, Plan
from shared.errors import IntegrationError, NeedsReview, OutcomeUnknown, RetryLater, TargetDown
from shared.limits.call_context import CallContext, PreSendCheck
from shared.state.atomic_write import LinkPair, VersionMark
from shared.state.ledger import Claim, Effect
from shared.state.target_state import TargetState
from shared.sync.ownership_check import TakenAt

# Create, lines with their taxes, invoices, the rest: more rounds than that mean that something keeps changing.
_ROUNDS = 8
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class WriteResult:
    """The order as Heartland now holds it, and what a person must look at."""

    known: ActualOrder
    created: bool
    findings: list[Finding] = field(default_factory=list)


class OrderWriter:
    """One order on its way into one account. `taken_at` tells since when no other process writes it."""

    def __init__(
        self,
        account: Account,
        order: Order,
        standing: TargetState,
        context: CallContext,
        taken_at: TakenAt | None = None,
    ) -> None:
        self._account = account
        self.context = context
        self._order = order
        self._standing = standing
        self._lag = account.rules.read_lag_seconds
        self._pending = account.recent.pending((account.name, "order", order.id))
        self._pending.taken_at = taken_at
        self._ours = account.once.ours(self._pending)
        checked = context.checked_by(self._ours.check)
        self._bench = ExecutionContext(
            account.heartland, checked, account.once, account.name, order.id, self._lag, self._pending
        )
        self._findings: list[Finding] = []
        self._created = False
        self._in_doubt: Mapping[str, Claim] = {}

    async def run(self) -> WriteResult:
        """Make Heartland match. Raises Waiting, NeedsReview, Refused and what the client raises.

        After anything but a certain answer, what was remembered of the order no longer counts, and the next look waits
        until it can be trusted. What is left to note comes with `note`.
        """
        try:
            return await self._run()
        except OutcomeUnknown as error:
            self._account.recent.doubt(self._order.id)
            await self._give_back()
            error.after = max(error.after or 0.0, self._lag)
            raise
        except IntegrationError:
            if self._ours.lost:
                self._account.recent.doubt(self._order.id)
            await self._give_back()
            raise
        except BaseException:
            self._account.recent.doubt(self._order.id)
            self.leave()
            raise

    async def note(self, mark: VersionMark) -> None:
        """Note what is left, together with the version that it makes true."""
        await self._note(versions=(mark,))

    def leave(self) -> None:
        """Nothing more can be noted now: the next attempt does."""
        self._account.recent.leave(self._pending)

    def _settle_doubts(self, known: ActualOrder) -> None:
        """What a crash left in doubt is there by now: Heartland matches, and was read after the doubt began.

        But for payments that it does not show: they never came, and nothing is owed any more.
        """
        settled = {effect.operation for effect, _ in self._pending.done}
        absent = absent_payments(self._in_doubt, known, self._account.rules)
        for operation, claim in self._in_doubt.items():
            effect = self._bench.effect(operation)
            if operation in absent:
                self._pending.unused.append((effect, claim))
            elif operation not in settled:
                self._pending.done.append((effect, known.order.id))

    async def _give_back(self) -> None:
        """The attempt is over: keep what was done, free what was claimed for calls that were not made."""
        await self._note(give_back=True)

    async def _note(
        self, *, claims: Sequence[Effect] = (), versions: Sequence[VersionMark] = (), give_back: bool = False
    ) -> None:
        try:
            conflicts = await self._pending.write(
                self._account.notes, claims=claims, versions=versions, give_back=give_back
            )
        except BaseException:
            self.leave()
            raise
        for pair, conflict in conflicts:
            self._contradicted(pair, conflict)

    def _contradicted(self, pair: LinkPair, conflict: NeedsReview) -> None:
        if pair.entity == "order":
            raise conflict
        self._account.customers.forget(pair.shopify_id)
        self._findings.append(
            Finding("customer_linked_twice", conflict.reason, conflict.advice, dict(conflict.details))
        )

    async def _run(self) -> WriteResult:
        wanted = desired_order(self._order, self._account.rules)
        items = await self._account.items.find(wanted.skus, wanted.extras, self.context)
        gateways = (payment.gateway for payment in wanted.payments)
        payment_types = await self._account.payment_types.find(gateways, self.context)
        place = await self._account.places.get(self.context)
        known = await self._there()
        buyer = await self._account.customers.of(
            self._order,
            self._pending,
            self.context,
            linked_id=int(self._standing.buyer_id) if self._standing.buyer_id else None,
            known_id=known.order.customer_id if known else None,
        )
        references = References(
            items=items,
            payment_types=payment_types,
            customer_id=buyer.customer_id,
            billing_address_id=buyer.billing_address_id,
            shipping_address_id=buyer.shipping_address_id,
            source_location_id=place.source_location_id,
            station_id=place.station_id,
            ship_from_location_id=place.ship_from_location_id,
        )
        return await self._match(wanted, references, known, buyer)

    async def _match(
        self, wanted: DesiredOrder, references: References, known: ActualOrder | None, buyer: Buyer
    ) -> WriteResult:
        for _ in range(_ROUNDS):
            plan = plan_order(self._order, wanted, references, known, self._account.rules)
            known = await self._round(plan, known)
            if plan.complete:
                self._settle_doubts(known)
                refund = refund_finding(self._order, known)
                findings = [*self._findings, *buyer.findings, *plan.findings, *([refund] if refund else [])]
                return WriteResult(known, self._created, findings)
        raise RetryLater(f"order {self._order.name} kept changing in Heartland while it was written")

    async def _round(self, plan: Plan, known: ActualOrder | None) -> ActualOrder:
        if known is not None:
            if plan.complete:
                await self._prepare(plan)
            return await execute(plan.steps, known, self._bench, self._keep)
        (step,) = plan.steps
        assert isinstance(step, CreateOrder)  # noqa: S101 - the only step there is for an order that is nowhere
        return await self._create(step)

    async def _prepare(self, plan: Plan) -> None:
        """Claim the payments, and link: stores act on an order once it is open, and the link must be there by then."""
        payments = [self._bench.effect(step.operation) for step in plan.steps if isinstance(step, AddPayment)]
        if payments or self._pending.links:
            await self._claim(*payments)

    async def _claim(self, *effects: Effect) -> None:
        """Together with what else there is to note."""
        await self._note(claims=[effect for effect in effects if effect not in self._pending.held])

    def _keep(self, known: ActualOrder) -> None:
        self._account.recent.keep(self._order.id, known)

    # What is there

    async def _there(self) -> ActualOrder | None:
        """The order in Heartland by our link; or, after a lost database, where Shopify knows of one."""
        if self._standing.link is not None:
            return await self._read(int(self._standing.link.heartland_id))
        if not noted_id(self._order, self._account.namespace):
            return None
        found = await self._look_up()
        if found is None:
            return None
        self._link(found, "")
        return await self._read(found)

    async def _read(self, order_id: int) -> ActualOrder:
        known = self._account.recent.recall(self._order.id, self._lag)
        if known is not None:
            return known
        history = await self._account.once.history(self._account.name, "order", self._order.id)
        # A change of lines leaves no effect behind: who took the order over knows only when that was.
        others = await self._pending.since(history.last_sent or _LONG_AGO)
        wait = self._account.recent.unsettled_seconds(self._order.id, others, self._lag)
        if wait > 0:
            raise TargetDown(f"order {self._order.name} was written a moment ago and cannot be read reliably yet", wait)
        self._in_doubt = history.in_doubt
        try:
            return await read_order(self._account.heartland, order_id, self.context)
        except NotFound as error:
            raise NeedsReview(
                f"Heartland order {order_id} of Shopify order {self._order.name} is gone",
                kind="order_missing",
                advice="Check who removed it in Heartland; enter it again by hand if it was a mistake.",
                details={"heartland_order_id": order_id},
            ) from error

    async def _look_up(self) -> int | None:
        """By Shopify's id in the custom field; two orders may share a name, so the number proves nothing."""
        field = self._account.rules.order_id_field
        found = await orders_by_custom_field(self._account.heartland, field, self._order.id, self.context)
        if len(found) > 1:
            self._findings.append(_duplicates(self._order, found))
        return found[0].id if found else None

    # Create

    async def _create(self, step: CreateOrder) -> ActualOrder:
        body = dict(step.body)
        adopted = False

        async def send(check: PreSendCheck) -> int | None:
            nonlocal adopted
            heartland, context = self._account.heartland, self.context.checked_by(check)
            if self._account.rules.unique_order_public_id or not await self._is_taken(body["public_id"]):
                try:
                    return await create_order(heartland, body, context)
                except Refused as refusal:
                    if not refusal.names("public_id"):
                        raise
            # By another order of that name; or by this one, where our database lost what it knew.
            ours = await self._look_up()
            adopted = ours is not None
            body["public_id"] = self._longer_number(body["public_id"])
            return ours or await create_order(heartland, body, context)

        effect = self._bench.effect("order:create")
        await self._claim(effect)
        made = await self._account.once.create(effect, send, self._look_up, self._lag, pending=self._pending)
        if made.found or adopted:
            known = await self._read(made.id)
            self._link(made.id, known.order.public_id)
            return known
        self._link(made.id, body["public_id"])
        self._created = True
        known = ActualOrder(SalesOrder.model_validate({**body, "id": made.id}), invoiced=False)
        self._keep(known)
        return known

    async def _is_taken(self, public_id: str) -> bool:
        return bool(await orders_by_number(self._account.heartland, public_id, self.context))

    def _longer_number(self, public_id: str) -> str:
        return f"{public_id}-{self._order.id}"

    def _link(self, order_id: int, public_id: str) -> None:
        self._pending.link(LinkPair(self._account.name, "order", self._order.id, str(order_id), public_id))


def noted_id(order: Order, namespace: str) -> str:
    """The Heartland id that the Shopify order carries in its metafield; empty if none."""
    keys = (namespace, "heartland_order_id")
    return next((value for space, key, value in order.metafields if (space, key) == keys), "")


def _duplicates(order: Order, found: list[SalesOrder]) -> Finding:
    return Finding(
        kind="duplicate_orders",
        title=f"{len(found)} Heartland orders stand for Shopify order {order.name}",
        advice=f"Keep {found[0].public_id or found[0].id} and cancel the others in Heartland.",
        details={"heartland_order_ids": [one.id for one in found]},
    )
