"""The Shopify side of each connection: its client and its batching order readers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from services.transformers.settings import Settings
from shared.canonical.priority import PRIORITIES, Priority
from shared.connectors.shopify.client import ShopifyClient
from shared.connectors.shopify.clients import ShopifyClients, ShopifyConnection
from shared.connectors.shopify.paging import Node
from shared.entities.order.settings import ShopifyOrderSettings
from shared.entities.order.shopify.batch_reader import OrderReader


@dataclass(frozen=True, slots=True)
class Shop:
    """One shop with its order readers.

    There is one reader per priority, so that no live order waits for a batch of others. With `read_back` each order is
    read from the API, even if the webhook's body is complete.
    """

    shopify: ShopifyConnection
    readers: Mapping[Priority, OrderReader]
    read_back: bool

    @property
    def namespace(self) -> str:
        """The namespace of our own metafields."""
        return self.shopify.settings.metafield_namespace

    @property
    def definitions_version(self) -> int:
        """The version of the connection's settings."""
        return self.shopify.connection.definitions_version

    async def read(self, order_id: str, priority: Priority = "live") -> Node | None:
        return await self.readers[priority].read(order_id)


class Shops:
    """The shops of this process by connection, rebuilt when a connection changes. Use `open_shops`."""

    def __init__(self, clients: ShopifyClients, settings: Settings) -> None:
        self._clients = clients
        self._window = settings.read_window_ms / 1000
        self._most_orders = settings.read_batch_maximum
        self._reread_window = settings.reread_window_ms / 1000
        self._shops: dict[str, Shop] = {}

    async def of(self, name: str) -> Shop:
        """The shop of the connection `name`.

        Raises RetryLater if the connection is unknown (it may not be loaded yet), and TargetDown if its credentials or
        settings are invalid.
        """
        shopify = self._clients.get(name)
        shop = self._shops.get(name)
        if shop is None or shop.shopify is not shopify:
            # Readers of the old connection, if any, finish the reads that they have started.
            order_settings = shopify.section("order", ShopifyOrderSettings)
            readers = {priority: self._reader(shopify.client, priority) for priority in PRIORITIES}
            shop = self._shops[name] = Shop(shopify, readers, order_settings.read_back)
        return shop

    def _reader(self, client: ShopifyClient, priority: Priority) -> OrderReader:
        return OrderReader(
            client,
            window_seconds=self._window,
            maximum=self._most_orders,
            reread_window_seconds=self._reread_window,
            priority=priority,
        )

    async def close(self) -> None:
        """Cancel reads in progress."""
        for shop in self._shops.values():
            for reader in shop.readers.values():
                await reader.close()


@asynccontextmanager
async def open_shops(settings: Settings, clients: ShopifyClients) -> AsyncIterator[Shops]:
    """Open the shops. Reads in progress are cancelled on exit."""
    shops = Shops(clients, settings)
    try:
        yield shops
    finally:
        await shops.close()
