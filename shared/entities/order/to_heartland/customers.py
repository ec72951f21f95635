"""Finds or creates the customer of an order.

Heartland requires a customer on every order and does not keep e-mail addresses unique. So a customer is looked up by
our link first, then by e-mail address, and created otherwise. A guest becomes a customer too, with the name of the
billing address.
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
from shared.entities.order.to_heartland.buyer import UNKNOWN, buyer_key, buyer_name, buyer_phone, keep_newest
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
    """Finds and creates the customers of one account."""

    def __init__(
        self,
        heartland: HeartlandClient,
        create_once: CreateOnce,
        lag: ReadLag,
        settings: HeartlandOrderSettings,
        connection: str,
    ) -> None:
        self._heartland = heartland
        self._create_once = create_once
        self._lag = lag
        self._rules = settings
        self._connection = connection
        self._addresses = Addresses(heartland, create_once, lag, connection)
        self._locks = KeyLocks()
        # Links and creates of this process that other orders of the same buyer may not find in the database yet.
        self._linked: dict[str, int] = {}
        self._created: dict[str, Created] = {}
        # Buyers whose customer Heartland refused on an order: read again before it is used again.
        self._to_recheck: dict[str, None] = {}

    async def get_or_create(
        self,
        order: Order,
        work: UnitOfWork,
        context: CallContext,
        *,
        linked_id: int | None = None,
        current_id: int | None = None,
    ) -> Buyer:
        """Customer and addresses of this order.

        `linked_id` is the customer that is linked to Shopify's, `current_id` the one that the Heartland order has now.
        """
        # Orders of one buyer wait for each other; otherwise two of them could create the buyer at the same time.
        async with self._locks.of(buyer_key(order)):
            linked_id = linked_id or self._linked.get(order.customer.shopify_id)
            recheck = buyer_key(order) in self._to_recheck
            self._to_recheck.pop(buyer_key(order), None)
            for customer_id in dict.fromkeys(filter(None, (linked_id, current_id))):
                try:
                    if not recheck or not (await read_customer(self._heartland, customer_id, context)).deleted_at:
                        return await self._with_addresses(order, Buyer(customer_id), work, context)
                except NotFound:  # merged or deleted in Heartland
                    continue
            buyer, is_new = await self._find_or_create(order, work, context, deleted_id=linked_id)
            return await self._with_addresses(order, buyer, work, context, is_new=is_new)

    def recheck(self, order: Order) -> None:
        """Heartland refused the order's customer: read it again before it is used again."""
        keep_newest(self._to_recheck, buyer_key(order), None)

    def forget(self, shopify_id: str) -> None:
        """Drop the remembered link: it contradicts one in the database."""
        self._linked.pop(shopify_id, None)

    async def _with_addresses(
        self, order: Order, buyer: Buyer, work: UnitOfWork, context: CallContext, *, is_new: bool = False
    ) -> Buyer:
        buyer.billing_address_id, buyer.shipping_address_id = await self._addresses.get_or_create(
            order, buyer.customer_id, work, context, is_new=is_new
        )
        return buyer

    async def _find_or_create(
        self, order: Order, work: UnitOfWork, context: CallContext, *, deleted_id: int | None
    ) -> tuple[Buyer, bool]:
        """The buyer, and whether it was created now.

        `deleted_id` is the linked customer that no longer exists.
        """
        buyer = await self._by_email(order, context) if order.customer.email else None
        is_new = False
        if buyer is None:
            buyer, is_new = await self._create(order, work, context)
        elif buyer_key(order) not in self._created:
            # If a create of ours was in doubt, it made this customer. Settled here: no later call looks it up.
            work.done[self._effect(order)] = {"id": str(buyer.customer_id)}
        self._link(order, buyer, work, deleted_id)
        return buyer, is_new

    def _effect(self, order: Order) -> Effect:
        return Effect(self._connection, "heartland", "customer", buyer_key(order), "customer:create")

    def _link(self, order: Order, buyer: Buyer, work: UnitOfWork, deleted_id: int | None) -> None:
        shopify_id = order.customer.shopify_id
        if shopify_id:
            instead_of = str(deleted_id) if deleted_id is not None else ""
            pair = LinkPair(self._connection, "customer", shopify_id, str(buyer.customer_id), instead_of=instead_of)
            work.links.append(pair)
            keep_newest(self._linked, shopify_id, buyer.customer_id)

    async def _by_email(self, order: Order, context: CallContext) -> Buyer | None:
        """The oldest customer with this e-mail address; fields that it lacks are filled in."""
        customers = await customers_by_email(self._heartland, order.customer.email, context)
        if not customers:
            return None
        customers.sort(key=lambda customer: customer.id)
        oldest = customers[0]
        missing = missing_fields(oldest, order)
        if missing:
            await update_customer(self._heartland, oldest.id, missing, context)
        return Buyer(oldest.id, problems=[_duplicates(order, customers)] if len(customers) > 1 else [])

    async def _create(self, order: Order, work: UnitOfWork, context: CallContext) -> tuple[Buyer, bool]:
        effect = self._effect(order)
        made = self._created.get(buyer_key(order))
        if made is None:
            # A new buyer's addresses are new too: one statement claims them all.
            await work.claim(dict.fromkeys([effect, *self._addresses.effects(order)]))
            made = await self._create_as(effect, order, work, context)
        while made.found and not await self._exists(made, context):
            # Deleted in Heartland since. A ledger entry that is done is never repeated, so the next create has an
            # operation of its own.
            effect = replace(effect, operation=f"customer:create:after:{made.id}")
            made = await self._create_as(effect, order, work, context)
        keep_newest(self._created, buyer_key(order), replace(made, found=True))
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
            return min((customer.id for customer in found), default=None)
        numbered = await customer_by_number(self._heartland, customer_number(order, self._rules), context)
        return numbered.id if numbered else None

    async def _exists(self, made: Created, context: CallContext) -> bool:
        """Whether a customer made earlier still exists. One that reads may not show yet counts as existing."""
        if not self._create_once.must_show(made, self._lag):
            return True
        try:
            return not (await read_customer(self._heartland, int(made.id), context)).deleted_at
        except NotFound:
            return False


def customer_number(order: Order, settings: HeartlandOrderSettings) -> str:
    """The number by which a customer without e-mail address can be found again."""
    shopify_id = order.customer.shopify_id
    return f"{settings.order_prefix}C{shopify_id}" if shopify_id else f"{settings.order_prefix}G{order.id}"


def new_customer(order: Order, settings: HeartlandOrderSettings) -> dict[str, str]:
    """A new customer's fields: the order's customer, else the billing or shipping address."""
    first, last = buyer_name(order)
    body = {
        "first_name": first or UNKNOWN,
        "last_name": last or UNKNOWN,
        "email": order.customer.email.strip(),
        "phone_number": buyer_phone(order),
        "public_id": "" if order.customer.email else customer_number(order, settings),
    }
    return {name: value for name, value in body.items() if value}


def missing_fields(customer: HeartlandCustomer, order: Order) -> dict[str, str]:
    """Fields that the order has and the customer lacks. What the customer has is never changed."""
    first, last = buyer_name(order)
    fields = {"first_name": first, "last_name": last, "phone_number": buyer_phone(order)}
    blank = ("", UNKNOWN)
    return {name: value for name, value in fields.items() if value and getattr(customer, name).strip() in blank}


def _duplicates(order: Order, customers: Sequence[HeartlandCustomer]) -> Problem:
    return Problem(
        kind="duplicate_customers",
        title=f"{len(customers)} customers in Heartland have the e-mail address of order {order.name}",
        advice=f"The order was written to the oldest of them, {customers[0].public_id or customers[0].id}. Merge the "
        "customers in Heartland, so that all orders of this buyer are found in one place.",
        details={"customer_ids": [customer.id for customer in customers]},
    )
