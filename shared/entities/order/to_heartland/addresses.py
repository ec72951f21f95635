"""Finds or creates the billing and shipping address of an order, under its customer."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from shared.canonical.address import Address
from shared.connectors.heartland.client import HeartlandClient
from shared.entities.order.heartland.customers import CustomerAddress, create_address, read_addresses
from shared.entities.order.record import Order
from shared.entities.order.to_heartland.buyer import UNKNOWN, buyer_key, buyer_name, keep_newest
from shared.entities.order.to_heartland.ids import text_id
from shared.limits.call_context import CallContext, PreSendCheck
from shared.state.ledger import Effect
from shared.sync.create_once import Created, CreateOnce, ReadLag
from shared.sync.unit_of_work import UnitOfWork

_POSTAL = ("first_name", "last_name", "line_1", "line_2", "city", "state", "postal_code", "country", "phone")


class Addresses:
    """Finds and creates the addresses of one account's customers."""

    def __init__(self, heartland: HeartlandClient, create_once: CreateOnce, lag: ReadLag, connection: str) -> None:
        self._heartland = heartland
        self._create_once = create_once
        self._lag = lag
        self._connection = connection
        # Addresses that were just created: reads may not show them yet.
        self._created: dict[int, list[CustomerAddress]] = {}
        self._settled: dict[Effect, None] = {}

    async def get_or_create(
        self, order: Order, customer_id: int, work: UnitOfWork, context: CallContext, *, is_new: bool
    ) -> tuple[int | None, int | None]:
        """The ids of billing and shipping address, None for one that the order lacks.

        A new customer has none yet.
        """
        desired = order_addresses(order)
        existing = await self._read(customer_id, context) if any(desired) and not is_new else []
        billing, shipping = [
            await self._get_or_create_one(order, customer_id, postal, existing, work, context) if postal else None
            for postal in desired
        ]
        work.release(self.effects(order))
        return billing, shipping

    def effects(self, order: Order) -> list[Effect]:
        """The creates of the order's addresses."""
        return list(dict.fromkeys(self._effect(order, postal) for postal in order_addresses(order) if postal))

    async def _read(self, customer_id: int, context: CallContext) -> list[CustomerAddress]:
        return await read_addresses(self._heartland, customer_id, context) + self._created.get(customer_id, [])

    async def _get_or_create_one(
        self,
        order: Order,
        customer_id: int,
        postal: dict[str, str],
        existing: list[CustomerAddress],
        work: UnitOfWork,
        context: CallContext,
    ) -> int:
        effect = self._effect(order, postal)
        found = matching_address(postal, existing)
        if found is not None:
            await self._settle(effect, found, work)
            return found
        made = await self._create_as(effect, customer_id, postal, work, context)
        while made.found and not await self._exists(customer_id, made, context):
            # Deleted since, or its customer was deleted and this is another customer. A ledger entry that is done is
            # never repeated, so the new address has an operation of its own.
            effect = replace(self._effect(order, postal), operation=f"{_operation(postal)}:after:{made.id}")
            made = await self._create_as(effect, customer_id, postal, work, context)
        keep_newest(self._settled, effect, None)
        address = CustomerAddress.model_validate({"id": int(made.id), **postal})
        keep_newest(self._created, customer_id, [*self._created.get(customer_id, []), address])
        existing.append(address)
        return address.id

    async def _create_as(
        self, effect: Effect, customer_id: int, postal: dict[str, str], work: UnitOfWork, context: CallContext
    ) -> Created:
        async def send(check: PreSendCheck) -> str | None:
            return text_id(await create_address(self._heartland, customer_id, postal, context.checked_by(check)))

        async def find() -> str | None:
            return text_id(matching_address(postal, await read_addresses(self._heartland, customer_id, context)))

        return await self._create_once(effect, send, find, self._lag, work=work)

    async def _settle(self, effect: Effect, found: int, work: UnitOfWork) -> None:
        """Settle creates of this address that were in doubt: they made the address that was found.

        That includes operations that replaced a deleted address (`:after:`). Done once per process and address.
        """
        if effect in self._settled:
            return
        history = await self._create_once.history(effect.connection, effect.entity, effect.key)
        later = [name for name in history.in_doubt if name.startswith(f"{effect.operation}:after:")]
        for name in (effect.operation, *later):
            work.done[replace(effect, operation=name)] = {"id": str(found)}
        keep_newest(self._settled, effect, None)

    async def _exists(self, customer_id: int, made: Created, context: CallContext) -> bool:
        if not self._create_once.must_show(made, self._lag):
            return True
        return int(made.id) in {found.id for found in await read_addresses(self._heartland, customer_id, context)}

    def _effect(self, order: Order, postal: dict[str, str]) -> Effect:
        """The create's effect, its operation a hash of the address: the ledger holds no personal data."""
        return Effect(self._connection, "heartland", "customer", buyer_key(order), _operation(postal))


def to_postal(address: Address, order: Order) -> dict[str, str]:
    """The address in Heartland's fields. There is none for the company: it is put before the second line."""
    first, last = address.first_name.strip(), address.last_name.strip()
    if not (first or last):
        first, last = buyer_name(order)
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


def order_addresses(order: Order) -> list[dict[str, str] | None]:
    """Billing and shipping address in Heartland's fields, None for one that the order lacks."""
    both = (order.billing_address, order.shipping_address)
    return [to_postal(address, order) if address else None for address in both]


def matching_address(postal: dict[str, str], existing: Sequence[CustomerAddress]) -> int | None:
    """The id of the address that equals `postal` in every field, ignoring case."""
    desired = [postal.get(name, "").lower() for name in _POSTAL]
    for address in existing:
        if [getattr(address, name).strip().lower() for name in _POSTAL] == desired:
            return address.id
    return None


def _operation(postal: dict[str, str]) -> str:
    content = "\n".join(postal.get(name, "").lower() for name in _POSTAL)
    return f"address:{hashlib.sha256(content.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"
