"""One connection's Heartland account: the client and caches for writing orders, built once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shared.connectors.heartland.client import HeartlandClient
from shared.connectors.heartland.clients import HeartlandClients, HeartlandConnection
from shared.connectors.shopify.settings import ShopifySettings
from shared.definitions.parse import read_section
from shared.entities.order.settings import HeartlandOrderSettings
from shared.entities.order.to_heartland.customers import Customers
from shared.entities.order.to_heartland.items import WINDOW_SECONDS, Items
from shared.entities.order.to_heartland.location import LocationLookup
from shared.entities.order.to_heartland.payment_types import PaymentTypes
from shared.entities.order.to_heartland.recent_orders import RecentOrders
from shared.runtime.clock import Clock
from shared.state.ledger import Ledger
from shared.sync.create_once import CreateOnce, ReadLag


@dataclass(frozen=True, slots=True)
class Account:
    """One connection's Heartland account.

    `definitions_version` is the version of the connection's settings. `namespace` is that of the metafields that hold
    our ids in Shopify. `lag` is the read lag of records that only the owner of the order's partition creates.
    """

    name: str
    definitions_version: int
    settings: HeartlandOrderSettings
    namespace: str
    heartland: HeartlandClient
    create_once: CreateOnce
    lag: ReadLag
    recent: RecentOrders
    items: Items
    customers: Customers
    payment_types: PaymentTypes
    location: LocationLookup


# Longer than most functions: wiring, one part per statement.
def open_account(
    connected: HeartlandConnection,
    *,
    ledger: Ledger,
    clock: Clock,
    item_cache_seconds: float = 300.0,
    item_window_seconds: float = WINDOW_SECONDS,
    started_at: datetime | None = None,
) -> Account:
    """The account around its client.

    `started_at` is when other processes stopped writing to it, by default now.
    """
    name, heartland = connected.connection.name, connected.client
    settings = connected.section("order", HeartlandOrderSettings)
    read_lag_seconds = connected.settings.read_lag_seconds
    create_once = CreateOnce(ledger, clock, started_at)
    # Orders of one buyer may be in several partitions, so any process may be creating the buyer; likewise items.
    shared_lag = ReadLag(read_lag_seconds, heartland.call_seconds)
    return Account(
        name=name,
        definitions_version=connected.connection.definitions_version,
        settings=settings,
        namespace=read_section(connected.connection.settings, "shopify", ShopifySettings).metafield_namespace,
        heartland=heartland,
        create_once=create_once,
        lag=ReadLag(read_lag_seconds),
        recent=RecentOrders(clock, started_at),
        items=Items(
            heartland,
            create_once,
            shared_lag,
            settings,
            name,
            clock=clock,
            keep_seconds=item_cache_seconds,
            window_seconds=item_window_seconds,
        ),
        customers=Customers(heartland, create_once, shared_lag, settings, name),
        payment_types=PaymentTypes(heartland, create_once, shared_lag, settings, name),
        location=LocationLookup(heartland, settings),
    )


class Accounts:
    """The account of each connection, rebuilt when the connection's credentials or settings change."""

    def __init__(self, clients: HeartlandClients, *, ledger: Ledger, clock: Clock, item_cache_seconds: float) -> None:
        self._clients = clients
        self._ledger = ledger
        self._clock = clock
        self._item_cache_seconds = item_cache_seconds
        self._cached: dict[str, tuple[HeartlandConnection, Account]] = {}

    def get(self, name: str) -> Account:
        """The account of this connection.

        Raises RetryLater for a connection that is not known yet, TargetDown for one that cannot work.
        """
        connected = self._clients.get(name)
        cached = self._cached.get(name)
        if cached is None or cached[0] is not connected:
            cached = self._cached[name] = (connected, self._build(connected))
        return cached[1]

    def _build(self, connected: HeartlandConnection) -> Account:
        return open_account(
            connected, ledger=self._ledger, clock=self._clock, item_cache_seconds=self._item_cache_seconds
        )
