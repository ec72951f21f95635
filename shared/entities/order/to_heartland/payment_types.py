"""Which Heartland payment type stands for a Shopify gateway: as configured, else by name, else made once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from shared.connectors.heartland.client import HeartlandClient
from shared.connectors.heartland.settings import HeartlandSettings
from shared.entities.order.heartland.payment_types import create_payment_type, read_payment_types
from shared.limits.call_context import CallContext, PreSendCheck
from shared.state.ledger import Effect
from shared.sync.create_once import CreateOnce
from shared.sync.key_locks import KeyLocks


class PaymentTypes:
    """Gateway -> payment type id. Types are never deleted while payments hang on them, so they are kept for good."""

    def __init__(self, heartland: HeartlandClient, once: CreateOnce, rules: HeartlandSettings, connection: str) -> None:
        self._heartland = heartland
        self._once = once
        self._rules = rules
        self._connection = connection
        self._by_name: dict[str, int] = {}
        self._locks = KeyLocks()

    async def find(self, gateways: Iterable[str], context: CallContext) -> Mapping[str, int]:
        """The type of each gateway; creates what is missing."""
        return {gateway: await self._of(gateway, context) for gateway in dict.fromkeys(gateways)}

    async def _of(self, gateway: str, context: CallContext) -> int:
        configured = self._rules.payment_types.get(gateway)
        if configured is not None:
            return configured
        name = type_name(gateway)
        if name not in self._by_name:
            async with self._locks.of(""):
                if name not in self._by_name:
                    self._by_name[name] = await self._find_or_create(gateway, name, context)
        return self._by_name[name]

    async def _find_or_create(self, gateway: str, name: str, context: CallContext) -> int:
        async def send(check: PreSendCheck) -> int | None:
            return await create_payment_type(self._heartland, name, context.checked_by(check))

        async def find() -> int | None:
            types = sorted(await read_payment_types(self._heartland, context), key=lambda one: one.id)
            return next((one.id for one in types if one.name.lower() == name.lower()), None)

        effect = Effect(self._connection, "heartland", "payment_type", gateway, "payment_type:create")
        found = await find()
        if found is not None:
            await self._once.seen(effect, found)
            return found
        lag, call = self._rules.read_lag_seconds, self._heartland.call_seconds
        return (await self._once.create(effect, send, find, lag, call_seconds=call)).id


def type_name(gateway: str) -> str:
    return f"Shopify {gateway}" if gateway else "Shopify payment"
