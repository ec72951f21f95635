"""The Heartland writer's part for orders: the route of canonical orders, and the items that they wait for."""

from __future__ import annotations

from collections.abc import Callable

from shared.entities.order.spec import CANONICAL_ORDER
from shared.entities.order.to_heartland.account import Account, Accounts
from shared.entities.order.to_heartland.order_sync import ENTITY, OrderInHeartland
from shared.entities.parts import EntityWriter, HeartlandWriterParts
from shared.errors import IntegrationError
from shared.limits.call_context import REPAIR
from shared.messaging.record import Route
from shared.state.atomic_write import AtomicWriter
from shared.state.ledger import Ledger
from shared.state.partition_epochs import PartitionEpochs
from shared.state.reviews import Reviews
from shared.state.target_state import TargetStates
from shared.sync.misconfigured import ConnectionReviews
from shared.sync.sync import Sync


def open_writer(parts: HeartlandWriterParts) -> EntityWriter:
    """The route of canonical orders. Orders may wait for items."""
    clock = parts.shell.clock
    accounts = Accounts(
        parts.clients,
        ledger=Ledger(parts.database, clock),
        clock=clock,
        item_cache_seconds=parts.item_cache_seconds,
    )
    orders = Sync(
        OrderInHeartland(accounts.get, clock, parts.producer),
        writer=AtomicWriter(parts.database, clock),
        clock=clock,
        states=TargetStates(parts.database),
        epochs=PartitionEpochs(parts.database, parts.service, clock),
        connections=ConnectionReviews(Reviews(parts.database)),
    )
    route = Route(CANONICAL_ORDER, orders.handle, ENTITY, collapse=True, writes=True)
    return EntityWriter([route], AwaitedItems(accounts.get).existing)


class AwaitedItems:
    """Items that orders wait for."""

    def __init__(self, account_of: Callable[[str], Account]) -> None:
        self._account_of = account_of

    async def existing(self, names: set[str]) -> set[str]:
        """Which of the awaited names (`<connection>|item:<sku>`) exist by now; one look-up per connection."""
        asked: dict[str, dict[str, str]] = {}
        for name in names:
            connection, _, sku = name.partition("|item:")
            asked.setdefault(connection, {})[sku] = name
        found: set[str] = set()
        for connection, skus in asked.items():
            found |= await self._existing(connection, skus)
        return found

    async def _existing(self, connection: str, skus: dict[str, str]) -> set[str]:
        try:
            there = await self._account_of(connection).items.existing(skus, REPAIR)
        except IntegrationError:  # this connection cannot be asked now; the others can
            return set()
        return {skus[sku] for sku in there}
