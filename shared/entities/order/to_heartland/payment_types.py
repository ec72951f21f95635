"""Finds or creates a Shopify gateway's payment type: from the settings, by name, or a new one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from shared.connectors.heartland.client import HeartlandClient
from shared.entities.order.heartland.payment_types import create_payment_type, read_payment_types
from shared.entities.order.settings import HeartlandOrderSettings
from shared.entities.order.to_heartland.ids import text_id
from shared.limits.call_context import CallContext, PreSendCheck
from shared.state.ledger import Effect
from shared.sync.create_once import CreateOnce, ReadLag
from shared.sync.key_locks import KeyLocks


class PaymentTypes:
    """Gateway -> payment type id. Cached without expiry: a type cannot be deleted while payments use it."""

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
        self._by_name: dict[str, int] = {}
        self._locks = KeyLocks()

    async def get_or_create(self, gateways: Iterable[str], context: CallContext) -> Mapping[str, int]:
        """The payment type of each gateway; missing ones are created."""
        return {gateway: await self._get_or_create_one(gateway, context) for gateway in dict.fromkeys(gateways)}

    async def _get_or_create_one(self, gateway: str, context: CallContext) -> int:
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
        async def send(check: PreSendCheck) -> str | None:
            return text_id(await create_payment_type(self._heartland, name, context.checked_by(check)))

        async def find() -> str | None:
            types = sorted(await read_payment_types(self._heartland, context), key=lambda payment_type: payment_type.id)
            return next((str(match.id) for match in types if match.name.lower() == name.lower()), None)

        effect = Effect(self._connection, "heartland", "payment_type", gateway, "payment_type:create")
        found = await find()
        if found is not None:
            await self._create_once.seen(effect, found)
            return int(found)
        return int((await self._create_once(effect, send, find, self._lag)).id)


def type_name(gateway: str) -> str:
    """The name under which a gateway's payment type is found and created."""
    return f"Shopify {gateway}" if gateway else "Shopify payment"
