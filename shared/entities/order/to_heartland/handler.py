"""Orders in the Heartland writer: the route, and the look-up of items that parked orders await."""

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
    """The order's part of the writer: its route, and which awaited items exist by now."""
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
    """Looks up the items that parked orders wait for."""

    def __init__(self, account_of: Callable[[str], Account]) -> None:
        self._account_of = account_of

    async def existing(self, names: set[str]) -> set[str]:
        """Which of the awaited names (`<connection>|item:<sku>`) exist by now; one look-up per connection."""
        by_connection: dict[str, dict[str, str]] = {}
        for name in names:
            connection, _, sku = name.partition("|item:")
            by_connection.setdefault(connection, {})[sku] = name
        existing: set[str] = set()
        for connection, name_by_sku in by_connection.items():
            existing |= await self._existing_in(connection, name_by_sku)
        return existing

    async def _existing_in(self, connection: str, name_by_sku: dict[str, str]) -> set[str]:
        try:
            items = await self._account_of(connection).items.existing(name_by_sku, REPAIR)
        except IntegrationError:  # this connection cannot be asked now; the others can
            return set()
        return {name_by_sku[sku] for sku in items}
