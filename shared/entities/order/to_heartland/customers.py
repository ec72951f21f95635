"""Finds or creates the customer of an order.

Heartland wants a customer on every order and does not keep e-mail addresses unique. So the order of trust is: our
link, the e-mail address, a new customer. A guest is a customer too, named after the billing address.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from shared.connectors.heartland.client import HeartlandClient
from shared.connectors.heartland.errors import NotFound
from shared.entities.order.heartland.customers import (
    HeartlandCustomer,
    create_customer,
    customer_by_number,
    customers_by_email,
    read_customer,
    update_customer,
)
from shared.entities.order.record import Order
from shared.entities.order.settings import HeartlandOrderSettings
from shared.entities.order.to_heartland.addresses import Addresses
from shared.entities.order.to_heartland.buyer import UNKNOWN, key_of, names, phone, remember
from shared.entities.order.to_heartland.ids import text_id
from shared.limits.call_context import CallContext, PreSendCheck
from shared.state.atomic_write import LinkPair
from shared.state.ledger import Effect
from shared.sync.create_once import Created, CreateOnce, ReadLag
from shared.sync.key_locks import KeyLocks
from shared.sync.plan import Problem
from shared.sync.unit_of_work import UnitOfWork


@dataclass(slots=True)
class Buyer:
    """An order's customer and addresses, by their ids in Heartland."""

    customer_id: int
    billing_address_id: int | None = None
    shipping_address_id: int | None = None
    problems: list[Problem] = field(default_factory=list)


class Customers:
    """Customers of one account."""

    def __init__(
        self,
        heartland: HeartlandClient,
        create_once: CreateOnce,
        lag: ReadLag,
        rules: HeartlandOrderSettings,
        connection: str,
    ) -> None:
        self._heartland = heartland
        self._create_once = create_once
        self._lag = lag
        self._rules = rules
        self._connection = connection
        self._addresses = Addresses(heartland, create_once, lag, connection)
        self._locks = KeyLocks()
        # What this process learnt and other orders of the same buyer may not see in the database yet.
        self._linked: dict[str, int] = {}
        self._created: dict[str, Created] = {}
        # Buyers whose customer Heartland refused on an order.
        self._doubted: dict[str, None] = {}

    async def of(
        self,
        order: Order,
        work: UnitOfWork,
        context: CallContext,
        *,
        linked_id: int | None = None,
        known_id: int | None = None,
    ) -> Buyer:
        """Customer and addresses of this order. `linked_id` is the customer that is linked to Shopify's, `known_id` the
        one that its Heartland order already has.
        """
        # Orders of one buyer wait for each other, or they would create the buyer twice.
        async with self._locks.of(key_of(order)):
            linked_id = linked_id or self._linked.get(order.customer.shopify_id)
            is_doubted = key_of(order) in self._doubted
            self._doubted.pop(key_of(order), None)
            for customer_id in dict.fromkeys(filter(None, (linked_id, known_id))):
                try:
                    if not is_doubted or not (await read_customer(self._heartland, customer_id, context)).deleted_at:
                        return await self._addressed(order, Buyer(customer_id), work, context)
                except NotFound:  # merged or deleted in Heartland
                    continue
            buyer, is_new = await self._find_or_create(order, work, context, gone=linked_id)
            return await self._addressed(order, buyer, work, context, is_new=is_new)

    def doubt(self, order: Order) -> None:
        """Heartland refused the order's customer: look whether it is still there before it is used again."""
        remember(self._doubted, key_of(order), None)

    def forget(self, shopify_id: str) -> None:
        """The link was contradicted: only the database knows."""
        self._linked.pop(shopify_id, None)

    async def _addressed(
        self, order: Order, buyer: Buyer, work: UnitOfWork, context: CallContext, *, is_new: bool = False
    ) -> Buyer:
        buyer.billing_address_id, buyer.shipping_address_id = await self._addresses.of(
            order, buyer.customer_id, work, context, is_new=is_new
        )
        return buyer

    async def _find_or_create(
        self, order: Order, work: UnitOfWork, context: CallContext, *, gone: int | None
    ) -> tuple[Buyer, bool]:
        """The buyer, and whether just created. `gone` is the customer that was linked and is no more."""
        buyer = await self._by_email(order, context) if order.customer.email else None
        is_new = False
        if buyer is None:
            buyer, is_new = await self._create(order, work, context)
        elif key_of(order) not in self._created:
            # If a create of ours was in doubt, this is what it made: nobody else would ever ask.
            work.done[self._effect(order)] = {"id": str(buyer.customer_id)}
        self._link(order, buyer, work, gone)
        return buyer, is_new

    def _effect(self, order: Order) -> Effect:
        return Effect(self._connection, "heartland", "customer", key_of(order), "customer:create")

    def _link(self, order: Order, buyer: Buyer, work: UnitOfWork, gone: int | None) -> None:
        shopify_id = order.customer.shopify_id
        if shopify_id:
            instead_of = str(gone) if gone is not None else ""
            pair = LinkPair(self._connection, "customer", shopify_id, str(buyer.customer_id), instead_of=instead_of)
            work.links.append(pair)
            remember(self._linked, shopify_id, buyer.customer_id)

    async def _by_email(self, order: Order, context: CallContext) -> Buyer | None:
        there = await customers_by_email(self._heartland, order.customer.email, context)
        found = sorted(there, key=lambda one: one.id)
        if not found:
            return None
        gaps = missing(found[0], order)
        if gaps:
            await update_customer(self._heartland, found[0].id, gaps, context)
        return Buyer(found[0].id, problems=[_several(order, found)] if len(found) > 1 else [])

    async def _create(self, order: Order, work: UnitOfWork, context: CallContext) -> tuple[Buyer, bool]:
        effect = self._effect(order)
        made = self._created.get(key_of(order))
        if made is None:
            # A new buyer's addresses are new too: one statement claims them all.
            await work.claim(dict.fromkeys([effect, *self._addresses.effects(order)]))
            made = await self._create_as(effect, order, work, context)
        while made.found and not await self._exists(made, context):
            # Deleted in Heartland since. What is done stays done, so the next one has a name of its own.
            effect = replace(effect, operation=f"customer:create:after:{made.id}")
            made = await self._create_as(effect, order, work, context)
        remember(self._created, key_of(order), replace(made, found=True))
        return Buyer(int(made.id)), not made.found

    async def _create_as(self, effect: Effect, order: Order, work: UnitOfWork, context: CallContext) -> Created:
        body = new_customer(order, self._rules)

        async def send(check: PreSendCheck) -> str | None:
            return text_id(await create_customer(self._heartland, body, context.checked_by(check)))

        async def find() -> str | None:
            return text_id(await self._find(order, context))

        return await self._create_once(effect, send, find, self._lag, work=work)

    async def _find(self, order: Order, context: CallContext) -> int | None:
        if order.customer.email:
            found = await customers_by_email(self._heartland, order.customer.email, context)
            return min((one.id for one in found), default=None)
        numbered = await customer_by_number(self._heartland, number_of(order, self._rules), context)
        return numbered.id if numbered else None

    async def _exists(self, made: Created, context: CallContext) -> bool:
        """Whether a customer made earlier is still there; one made a moment ago may not show in reads yet."""
        if not self._create_once.must_show(made, self._lag):
            return True
        try:
            return not (await read_customer(self._heartland, int(made.id), context)).deleted_at
        except NotFound:
            return False


def number_of(order: Order, rules: HeartlandOrderSettings) -> str:
    """A number for a customer without e-mail address, who could not be found again otherwise."""
    shopify_id = order.customer.shopify_id
    return f"{rules.order_prefix}C{shopify_id}" if shopify_id else f"{rules.order_prefix}G{order.id}"


def new_customer(order: Order, rules: HeartlandOrderSettings) -> dict[str, str]:
    """A customer from what the order knows: its own fields, else those of the billing or shipping address."""
    first, last = names(order)
    body = {
        "first_name": first or UNKNOWN,
        "last_name": last or UNKNOWN,
        "email": order.customer.email.strip(),
        "phone_number": phone(order),
        "public_id": "" if order.customer.email else number_of(order, rules),
    }
    return {name: value for name, value in body.items() if value}


def missing(there: HeartlandCustomer, order: Order) -> dict[str, str]:
    """What we know and Heartland does not. What Heartland knows stays."""
    first, last = names(order)
    ours = {"first_name": first, "last_name": last, "phone_number": phone(order)}
    blank = ("", UNKNOWN)
    return {name: value for name, value in ours.items() if value and getattr(there, name).strip() in blank}


def _several(order: Order, found: Sequence[HeartlandCustomer]) -> Problem:
    return Problem(
        kind="duplicate_customers",
        title=f"{len(found)} customers in Heartland share the e-mail address of order {order.name}",
        advice=f"Merge them in Heartland; the order went to the oldest, {found[0].public_id or found[0].id}.",
        details={"customer_ids": [one.id for one in found]},
    )
