"""Finds or creates who bought, and the addresses under it.

Heartland wants a customer on every order and does not keep e-mail addresses unique. So the order of trust is: our
link, the e-mail address, a new customer. A guest is a customer too, named after the billing address.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from shared.canonical.address import Address
from shared.connectors.heartland.client import HeartlandClient
from shared.connectors.heartland.errors import NotFound
from shared.connectors.heartland.settings import HeartlandSettings
from shared.entities.order.heartland.customers import (
    CustomerAddress,
    HeartlandCustomer,
    create_address,
    create_customer,
    customer_by_number,
    customers_by_email,
    read_addresses,
    read_customer,
    update_customer,
)
from shared.entities.order.record import Order
from shared.entities.order.to_heartland.steps import Finding
from shared.limits.call_context import CallContext, PreSendCheck
from shared.state.atomic_write import LinkPair
from shared.state.ledger import Effect
from shared.sync.create_once import Created, CreateOnce, Find, Send
from shared.sync.key_locks import KeyLocks
from shared.sync.unit_of_work import UnitOfWork

K = TypeVar("K")
V = TypeVar("V")

# The vendor's own import tool puts this where a required name is unknown.
UNKNOWN = "?"
_REMEMBERED = 500
_POSTAL = ("first_name", "last_name", "line_1", "line_2", "city", "state", "postal_code", "country", "phone")


@dataclass(slots=True)
class Buyer:
    customer_id: int
    billing_address_id: int | None = None
    shipping_address_id: int | None = None
    findings: list[Finding] = field(default_factory=list)


class Customers:
    """Customers of one account."""

    def __init__(self, heartland: HeartlandClient, once: CreateOnce, rules: HeartlandSettings, connection: str) -> None:
        self._heartland = heartland
        self._once = once
        self._rules = rules
        self._connection = connection
        # Many partitions may have orders of one buyer, so any process may be creating it.
        self._call_seconds = heartland.call_seconds
        self._locks = KeyLocks()
        self._made: dict[int, list[CustomerAddress]] = {}
        # What this process learnt and other orders of the same buyer may not see in the database yet.
        self._linked: dict[str, int] = {}
        self._created: dict[str, Created] = {}
        self._settled: dict[Effect, None] = {}
        # Buyers whose customer Heartland would not have on an order.
        self._doubted: dict[str, None] = {}

    async def of(
        self,
        order: Order,
        pending: UnitOfWork,
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
            linked_id = self._linked_id(order, linked_id)
            is_doubted = key_of(order) in self._doubted
            self._doubted.pop(key_of(order), None)
            for customer_id in dict.fromkeys(filter(None, (linked_id, known_id))):
                try:
                    if not is_doubted or not (await read_customer(self._heartland, customer_id, context)).deleted_at:
                        return await self._addressed(order, Buyer(customer_id), pending, context)
                except NotFound:  # merged or deleted in Heartland
                    continue
            buyer, is_new = await self._find_or_create(order, pending, context, gone=linked_id)
            return await self._addressed(order, buyer, pending, context, is_new=is_new)

    async def _addressed(
        self, order: Order, buyer: Buyer, pending: UnitOfWork, context: CallContext, *, is_new: bool = False
    ) -> Buyer:
        wanted = postals(order)
        there = await self._addresses(buyer.customer_id, context) if any(wanted) and not is_new else []
        buyer.billing_address_id, buyer.shipping_address_id = [
            await self._address(order, buyer.customer_id, address, there, pending, context) if address else None
            for address in wanted
        ]
        pending.release(self._address_effects(order))
        return buyer

    def doubt(self, order: Order) -> None:
        """Heartland refused the order's customer: look whether it is still there before it is used again."""
        _remember(self._doubted, key_of(order), None)

    def forget(self, shopify_id: str) -> None:
        """The link was contradicted: only the database knows."""
        self._linked.pop(shopify_id, None)

    def _linked_id(self, order: Order, linked_id: int | None) -> int | None:
        return linked_id or self._linked.get(order.customer.shopify_id)

    async def _find_or_create(
        self, order: Order, pending: UnitOfWork, context: CallContext, *, gone: int | None
    ) -> tuple[Buyer, bool]:
        """The buyer, and whether just created. `gone` is the customer that was linked and is no more."""
        buyer = await self._by_email(order, context) if order.customer.email else None
        is_new = False
        if buyer is None:
            buyer, is_new = await self._create(order, pending, context)
        elif key_of(order) not in self._created:
            # If a create of ours was in doubt, this is what it made: nobody else would ever ask.
            pending.done.append((self._effect(order), buyer.customer_id))
        self._link(order, buyer, pending, gone)
        return buyer, is_new

    def _effect(self, order: Order) -> Effect:
        return Effect(self._connection, "heartland", "customer", key_of(order), "customer:create")

    def _link(self, order: Order, buyer: Buyer, pending: UnitOfWork, gone: int | None) -> None:
        shopify_id = order.customer.shopify_id
        if shopify_id:
            instead_of = str(gone) if gone is not None else ""
            pair = LinkPair(self._connection, "customer", shopify_id, str(buyer.customer_id), instead_of=instead_of)
            pending.link(pair)
            _remember(self._linked, shopify_id, buyer.customer_id)

    async def _by_email(self, order: Order, context: CallContext) -> Buyer | None:
        there = await customers_by_email(self._heartland, order.customer.email, context)
        found = sorted(there, key=lambda one: one.id)
        if not found:
            return None
        gaps = missing(found[0], order)
        if gaps:
            await update_customer(self._heartland, found[0].id, gaps, context)
        return Buyer(found[0].id, findings=[_several(order, found)] if len(found) > 1 else [])

    async def _create(self, order: Order, pending: UnitOfWork, context: CallContext) -> tuple[Buyer, bool]:
        body = new_customer(order, self._rules)
        effect = self._effect(order)

        async def send(check: PreSendCheck) -> int | None:
            return await create_customer(self._heartland, body, context.checked_by(check))

        async def find() -> int | None:
            return await self._find(order, context)

        made = self._created.get(key_of(order))
        if made is None:
            # A new buyer's addresses are new too: one statement claims them all.
            await self._once.hold([effect, *self._address_effects(order)], pending)
            made = await self._guarded(effect, send, find, pending)
        while made.found and not await self._exists(made, context):
            # Deleted in Heartland since. What is done stays done, so the next one has a name of its own.
            effect = replace(effect, operation=f"customer:create:after:{made.id}")
            made = await self._guarded(effect, send, find, pending)
        _remember(self._created, key_of(order), replace(made, found=True))
        return Buyer(made.id), not made.found

    async def _guarded(self, effect: Effect, send: Send, find: Find, pending: UnitOfWork) -> Created:
        lag, call = self._rules.read_lag_seconds, self._call_seconds
        return await self._once.create(effect, send, find, lag, pending=pending, call_seconds=call)

    async def _find(self, order: Order, context: CallContext) -> int | None:
        if order.customer.email:
            found = await customers_by_email(self._heartland, order.customer.email, context)
            return min((one.id for one in found), default=None)
        numbered = await customer_by_number(self._heartland, number_of(order, self._rules), context)
        return numbered.id if numbered else None

    async def _exists(self, made: Created, context: CallContext) -> bool:
        """Whether a customer made earlier is still there; one made a moment ago may not show in reads yet."""
        if not self._once.must_show(made, self._rules.read_lag_seconds, self._call_seconds):
            return True
        try:
            return not (await read_customer(self._heartland, made.id, context)).deleted_at
        except NotFound:
            return False

    async def _addresses(self, customer_id: int, context: CallContext) -> list[CustomerAddress]:
        # Those made a moment ago may not show in reads yet.
        return await read_addresses(self._heartland, customer_id, context) + self._made.get(customer_id, [])

    async def _address(
        self,
        order: Order,
        customer_id: int,
        wanted: dict[str, str],
        there: list[CustomerAddress],
        pending: UnitOfWork,
        context: CallContext,
    ) -> int:
        effect = self._address_effect(order, wanted)
        found = same_address(wanted, there)
        if found is not None:
            await self._settle(effect, found, pending)
            return found

        async def send(check: PreSendCheck) -> int | None:
            return await create_address(self._heartland, customer_id, wanted, context.checked_by(check))

        async def find() -> int | None:
            return same_address(wanted, await read_addresses(self._heartland, customer_id, context))

        made = await self._guarded(effect, send, find, pending)
        while made.found and not await self._has_address(customer_id, made, context):
            # Deleted since, or its customer was and this is another.
            effect = replace(self._address_effect(order, wanted), operation=f"{_operation(wanted)}:after:{made.id}")
            made = await self._guarded(effect, send, find, pending)
        _remember(self._settled, effect, None)
        there.append(self._remember(customer_id, CustomerAddress.model_validate({"id": made.id, **wanted})))
        return made.id

    async def _settle(self, effect: Effect, made: int, pending: UnitOfWork) -> None:
        """If a create of ours was in doubt, this is what it made; once per process is enough to say so.

        Also one that took the place of a deleted one, under a name of its own.
        """
        if effect in self._settled:
            return
        history = await self._once.history(effect.connection, effect.entity, effect.key)
        later = [name for name in history.in_doubt if name.startswith(f"{effect.operation}:after:")]
        pending.done += [(effect, made), *((replace(effect, operation=name), made) for name in later)]
        _remember(self._settled, effect, None)

    async def _has_address(self, customer_id: int, made: Created, context: CallContext) -> bool:
        if not self._once.must_show(made, self._rules.read_lag_seconds, self._call_seconds):
            return True
        return made.id in {one.id for one in await read_addresses(self._heartland, customer_id, context)}

    def _address_effects(self, order: Order) -> list[Effect]:
        return list(dict.fromkeys(self._address_effect(order, wanted) for wanted in postals(order) if wanted))

    def _address_effect(self, order: Order, wanted: dict[str, str]) -> Effect:
        """Named by what it says, hashed: the ledger holds no personal data."""
        return Effect(self._connection, "heartland", "customer", key_of(order), _operation(wanted))

    def _remember(self, customer_id: int, address: CustomerAddress) -> CustomerAddress:
        _remember(self._made, customer_id, [*self._made.get(customer_id, []), address])
        return address


def _remember(memory: dict[K, V], name: K, value: V) -> None:
    memory.pop(name, None)
    memory[name] = value
    if len(memory) > _REMEMBERED:
        del memory[next(iter(memory))]


def key_of(order: Order) -> str:
    """What names a buyer: the e-mail address (hashed: the ledger holds no personal data), else the id or the order."""
    customer = order.customer
    if customer.email:
        return hashlib.sha256(customer.email.strip().lower().encode()).hexdigest()
    return customer.shopify_id or f"order:{order.id}"


def number_of(order: Order, rules: HeartlandSettings) -> str:
    """A number for a customer without e-mail address, who could not be found again otherwise."""
    shopify_id = order.customer.shopify_id
    return f"{rules.order_prefix}C{shopify_id}" if shopify_id else f"{rules.order_prefix}G{order.id}"


def new_customer(order: Order, rules: HeartlandSettings) -> dict[str, str]:
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


def names(order: Order) -> tuple[str, str]:
    people = (order.customer, order.billing_address, order.shipping_address)
    named = ((one.first_name.strip(), one.last_name.strip()) for one in people if one)
    return next((pair for pair in named if any(pair)), ("", ""))


def phone(order: Order) -> str:
    people = (order.customer, order.billing_address, order.shipping_address)
    return next((one.phone.strip() for one in people if one and one.phone.strip()), "")


def postal(address: Address, order: Order) -> dict[str, str]:
    """An address as Heartland has it. It knows no company: that goes before the second line."""
    first, last = address.first_name.strip(), address.last_name.strip()
    if not (first or last):
        first, last = names(order)
    fields = {
        "first_name": first or UNKNOWN,
        "last_name": last or UNKNOWN,
        "line_1": address.line_1,
        "line_2": ", ".join(part.strip() for part in (address.company, address.line_2) if part.strip()),
        "city": address.city,
        "state": address.province,
        "postal_code": address.postal_code,
        "country": address.country,
        "phone": address.phone,
    }
    return {name: value.strip() for name, value in fields.items() if value.strip()}


def postals(order: Order) -> list[dict[str, str] | None]:
    """Billing and shipping address as Heartland has them."""
    both = (order.billing_address, order.shipping_address)
    return [postal(address, order) if address else None for address in both]


def same_address(wanted: dict[str, str], there: Sequence[CustomerAddress]) -> int | None:
    """The id of this very address, letter case aside."""
    ours = [wanted.get(name, "").lower() for name in _POSTAL]
    return next((one.id for one in there if [getattr(one, name).strip().lower() for name in _POSTAL] == ours), None)


def _operation(wanted: dict[str, str]) -> str:
    told = "\n".join(wanted.get(name, "").lower() for name in _POSTAL)
    return f"address:{hashlib.sha256(told.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"


def _several(order: Order, found: Sequence[HeartlandCustomer]) -> Finding:
    return Finding(
        kind="duplicate_customers",
        title=f"{len(found)} customers in Heartland share the e-mail address of order {order.name}",
        advice=f"Merge them in Heartland; the order went to the oldest, {found[0].public_id or found[0].id}.",
        details={"customer_ids": [one.id for one in found]},
    )
