"""What it takes to write into one connection's Heartland account, built once per connection and kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shared.connectors.heartland.client import HeartlandClient
from shared.connectors.heartland.clients import Heartland, HeartlandClients
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
    """`namespace` is where Shopify's metafields hold our ids. `lag` is that of what only an order's owner creates.

    `definitions_version` is the version of the connection's settings.
    """

    name: str
    definitions_version: int
    rules: HeartlandOrderSettings
    namespace: str
    heartland: HeartlandClient
    create_once: CreateOnce
    lag: ReadLag
    recent: RecentOrders
    items: Items
    customers: Customers
    payment_types: PaymentTypes
    location: LocationLookup


def open_account(
    there: Heartland,
    *,
    ledger: Ledger,
    clock: Clock,
    item_cache_seconds: float = 300.0,
    item_window_seconds: float = WINDOW_SECONDS,
    started_at: datetime | None = None,
) -> Account:
    """The parts of one account around its client. `started_at`: since when nobody else writes, else from now on."""
    name, heartland = there.connection.name, there.client
    rules = there.section("order", HeartlandOrderSettings)
    read_lag_seconds = there.rules.read_lag_seconds
    create_once = CreateOnce(ledger, clock, started_at)
    # Many partitions may have orders of one buyer, so any process may be creating the buyer; so it is with items.
    shared_lag = ReadLag(read_lag_seconds, heartland.call_seconds)
    return Account(
        name=name,
        definitions_version=there.connection.definitions_version,
        rules=rules,
        namespace=read_section(there.connection.settings, "shopify", ShopifySettings).metafield_namespace,
        heartland=heartland,
        create_once=create_once,
        lag=ReadLag(read_lag_seconds),
        recent=RecentOrders(clock, started_at),
        items=Items(
            heartland,
            create_once,
            shared_lag,
            rules,
            name,
            clock=clock,
            keep_seconds=item_cache_seconds,
            window_seconds=item_window_seconds,
        ),
        customers=Customers(heartland, create_once, shared_lag, rules, name),
        payment_types=PaymentTypes(heartland, create_once, shared_lag, rules, name),
        location=LocationLookup(heartland, rules),
    )


class Accounts:
    """The account of each connection. It is built again when the connection's credentials or settings change."""

    def __init__(self, clients: HeartlandClients, *, ledger: Ledger, clock: Clock, item_cache_seconds: float) -> None:
        self._clients = clients
        self._ledger = ledger
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
        return open_account(there, ledger=self._ledger, clock=self._clock, item_cache_seconds=self._item_cache_seconds)
