"""What it takes to write into one connection's Heartland account, built once per connection and kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shared.connectors.heartland.client import HeartlandClient
from shared.connectors.heartland.clients import Heartland, HeartlandClients
from shared.connectors.heartland.settings import HeartlandSettings
from shared.entities.order.to_heartland.actual import RecentOrders
from shared.entities.order.to_heartland.customers import Customers
from shared.entities.order.to_heartland.items import WINDOW_SECONDS, Items
from shared.entities.order.to_heartland.location import LocationLookup
from shared.entities.order.to_heartland.payment_types import PaymentTypes
from shared.runtime.clock import Clock
from shared.state.atomic_write import AtomicWriter
from shared.state.ledger import Ledger
from shared.sync.create_once import CreateOnce


@dataclass(frozen=True, slots=True)
class Account:
    """`namespace` is where Shopify's metafields hold our ids."""

    name: str
    rules: HeartlandSettings
    namespace: str
    heartland: HeartlandClient
    once: CreateOnce
    notes: AtomicWriter
    recent: RecentOrders
    items: Items
    customers: Customers
    payment_types: PaymentTypes
    places: LocationLookup


def open_account(
    there: Heartland,
    *,
    ledger: Ledger,
    notes: AtomicWriter,
    clock: Clock,
    item_cache_seconds: float = 300.0,
    item_window_seconds: float = WINDOW_SECONDS,
    started_at: datetime | None = None,
) -> Account:
    """The parts of one account around its client. `started_at`: since when nobody else writes, else from now on."""
    name, heartland, rules = there.connection.name, there.client, there.rules
    once = CreateOnce(ledger, notes, clock, started_at)
    return Account(
        name=name,
        rules=rules,
        namespace=str(there.connection.settings.get("metafield_namespace") or "tillbridge"),
        heartland=heartland,
        once=once,
        notes=notes,
        recent=RecentOrders(clock, started_at),
        items=Items(
            heartland,
            once,
            rules,
            name,
            clock=clock,
            keep_seconds=item_cache_seconds,
            window_seconds=item_window_seconds,
        ),
        customers=Customers(heartland, once, rules, name),
        payment_types=PaymentTypes(heartland, once, rules, name),
        places=LocationLookup(heartland, rules),
    )


class Accounts:
    """The account of each connection. It is built again when the connection's credentials or settings change."""

    def __init__(
        self, clients: HeartlandClients, *, ledger: Ledger, notes: AtomicWriter, clock: Clock, item_cache_seconds: float
    ) -> None:
        self._clients = clients
        self._ledger = ledger
        self._notes = notes
        self._clock = clock
        self._item_cache_seconds = item_cache_seconds
        self._open: dict[str, tuple[Heartland, Account]] = {}

    def get(self, name: str) -> Account:
        """The account of this connection.

        Raises RetryLater for a connection that is not known (yet), Misconfigured for one that cannot work.
        """
        there = self._clients.get(name)
        known = self._open.get(name)
        if known is None or known[0] is not there:
            known = self._open[name] = (there, self._build(there))
        return known[1]

    def _build(self, there: Heartland) -> Account:
        return open_account(
            there,
            ledger=self._ledger,
            notes=self._notes,
            clock=self._clock,
            item_cache_seconds=self._item_cache_seconds,
        )
