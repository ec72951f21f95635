"""Finds or creates the billing and shipping address of an order, under its customer."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from shared.canonical.address import Address
from shared.connectors.heartland.client import HeartlandClient
from shared.entities.order.heartland.customers import CustomerAddress, create_address, read_addresses
from shared.entities.order.record import Order
from shared.entities.order.to_heartland.buyer import UNKNOWN, key_of, names, remember
from shared.entities.order.to_heartland.ids import text_id
from shared.limits.call_context import CallContext, PreSendCheck
from shared.state.ledger import Effect
from shared.sync.create_once import Created, CreateOnce, ReadLag
from shared.sync.unit_of_work import UnitOfWork

_POSTAL = ("first_name", "last_name", "line_1", "line_2", "city", "state", "postal_code", "country", "phone")


class Addresses:
    """Addresses of one account's customers."""

    def __init__(self, heartland: HeartlandClient, create_once: CreateOnce, lag: ReadLag, connection: str) -> None:
        self._heartland = heartland
        self._create_once = create_once
        self._lag = lag
        self._connection = connection
        # Those made a moment ago may not show in reads yet.
        self._made: dict[int, list[CustomerAddress]] = {}
        self._settled: dict[Effect, None] = {}

    async def of(
        self, order: Order, customer_id: int, work: UnitOfWork, context: CallContext, *, is_new: bool
    ) -> tuple[int | None, int | None]:
        """The ids of billing and shipping address, None for one that the order lacks. A new customer has none yet."""
        desired = postals(order)
        there = await self._read(customer_id, context) if any(desired) and not is_new else []
        billing, shipping = [
            await self._address(order, customer_id, postal, there, work, context) if postal else None
            for postal in desired
        ]
        work.release(self.effects(order))
        return billing, shipping

    def effects(self, order: Order) -> list[Effect]:
        """The creates of the order's addresses."""
        return list(dict.fromkeys(self._effect(order, postal) for postal in postals(order) if postal))

    async def _read(self, customer_id: int, context: CallContext) -> list[CustomerAddress]:
        return await read_addresses(self._heartland, customer_id, context) + self._made.get(customer_id, [])

    async def _address(
        self,
        order: Order,
        customer_id: int,
        postal: dict[str, str],
        there: list[CustomerAddress],
        work: UnitOfWork,
        context: CallContext,
    ) -> int:
        effect = self._effect(order, postal)
        found = same_address(postal, there)
        if found is not None:
            await self._settle(effect, found, work)
            return found
        made = await self._create_as(effect, customer_id, postal, work, context)
        while made.found and not await self._exists(customer_id, made, context):
            # Deleted since, or its customer was and this is another.
            effect = replace(self._effect(order, postal), operation=f"{_operation(postal)}:after:{made.id}")
            made = await self._create_as(effect, customer_id, postal, work, context)
        remember(self._settled, effect, None)
        address = CustomerAddress.model_validate({"id": int(made.id), **postal})
        remember(self._made, customer_id, [*self._made.get(customer_id, []), address])
        there.append(address)
        return address.id

    async def _create_as(
        self, effect: Effect, customer_id: int, postal: dict[str, str], work: UnitOfWork, context: CallContext
    ) -> Created:
        async def send(check: PreSendCheck) -> str | None:
            return text_id(await create_address(self._heartland, customer_id, postal, context.checked_by(check)))

        async def find() -> str | None:
            return text_id(same_address(postal, await read_addresses(self._heartland, customer_id, context)))

        return await self._create_once(effect, send, find, self._lag, work=work)

    async def _settle(self, effect: Effect, made: int, work: UnitOfWork) -> None:
        """If a create of ours was in doubt, this is what it made; once per process is enough to say so.

        Also one that took the place of a deleted one, under a name of its own.
        """
        if effect in self._settled:
            return
        history = await self._create_once.history(effect.connection, effect.entity, effect.key)
        later = [name for name in history.in_doubt if name.startswith(f"{effect.operation}:after:")]
        for name in (effect.operation, *later):
            work.done[replace(effect, operation=name)] = {"id": str(made)}
        remember(self._settled, effect, None)

    async def _exists(self, customer_id: int, made: Created, context: CallContext) -> bool:
        if not self._create_once.must_show(made, self._lag):
            return True
        return int(made.id) in {one.id for one in await read_addresses(self._heartland, customer_id, context)}

    def _effect(self, order: Order, postal: dict[str, str]) -> Effect:
        """Named by what it says, hashed: the ledger holds no personal data."""
        return Effect(self._connection, "heartland", "customer", key_of(order), _operation(postal))


def to_postal(address: Address, order: Order) -> dict[str, str]:
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
    return [to_postal(address, order) if address else None for address in both]


def same_address(postal: dict[str, str], there: Sequence[CustomerAddress]) -> int | None:
    """The id of this very address, letter case aside."""
    ours = [postal.get(name, "").lower() for name in _POSTAL]
    return next((one.id for one in there if [getattr(one, name).strip().lower() for name in _POSTAL] == ours), None)


def _operation(postal: dict[str, str]) -> str:
    told = "\n".join(postal.get(name, "").lower() for name in _POSTAL)
    return f"address:{hashlib.sha256(told.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"
