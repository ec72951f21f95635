"""The Shopify side of each connection: its client and the reader that batches over it."""

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
    """One shop, and the readers of its orders, one by priority: no live order waits for a batch of others.

    `read_back`: whether each order is read from the API, be the webhook's body complete or not.
    """

    shopify: ShopifyConnection
    readers: Mapping[Priority, OrderReader]
    read_back: bool

    @property
    def namespace(self) -> str:
        """The namespace of our own metafields."""
        return self.shopify.rules.metafield_namespace

    @property
    def definitions_version(self) -> int:
        """The version of the connection's settings."""
        return self.shopify.connection.definitions_version

    async def read(self, order_id: str, priority: Priority = "live") -> Node | None:
        return await self.readers[priority].read(order_id)


class Shops:
    """All shops of this process, by connection; rebuilt when a connection changes. Use `open_shops`."""

    def __init__(self, clients: ShopifyClients, settings: Settings) -> None:
        self._clients = clients
        self._window = settings.read_window_ms / 1000
        self._maximum = settings.read_batch_maximum
        self._again = settings.reread_window_ms / 1000
        self._known: dict[str, Shop] = {}

    async def of(self, name: str) -> Shop:
        """The shop of the connection `name`.

        Raises RetryLater for a connection that is not known (yet), and TargetDown for one whose credentials or
        settings cannot work.
        """
        shopify = self._clients.get(name)
        shop = self._known.get(name)
        if shop is None or shop.shopify is not shopify:
            # The old reader, if there was one, finishes what it has in hand.
            chosen = shopify.section("order", ShopifyOrderSettings)
            readers = {priority: self._reader(shopify.client, priority) for priority in PRIORITIES}
            shop = self._known[name] = Shop(shopify, readers, chosen.read_back)
        return shop

    def _reader(self, client: ShopifyClient, priority: Priority) -> OrderReader:
        return OrderReader(
            client,
            window_seconds=self._window,
            maximum=self._maximum,
            reread_window_seconds=self._again,
            priority=priority,
        )

    async def close(self) -> None:
        """Cancel reads in progress."""
        for shop in self._known.values():
            for reader in shop.readers.values():
                await reader.close()


@asynccontextmanager
async def open_shops(settings: Settings, clients: ShopifyClients) -> AsyncIterator[Shops]:
    """The shops; reads in progress are cancelled on exit."""
    shops = Shops(clients, settings)
    try:
        yield shops
    finally:
        await shops.close()
