"""Starts the Shopify writer."""

from __future__ import annotations

import asyncio

import aiohttp

from services.shopify_writer.settings import Settings
from services.shopify_writer.writer import Writer
from shared.connectors.shopify.clients import ShopifyClients
from shared.messaging.consumer import open_consumer
from shared.messaging.producer import open_producer
from shared.messaging.record import ConsumerOptions, Route
from shared.messaging.topics import CANONICAL_FULFILMENT, CANONICAL_LINK, DEAD_LETTERS
from shared.runtime.service import launch, open_shell
from shared.state.connections import open_connections
from shared.state.database import Database
from shared.state.ledger import Ledger
from shared.state.parked import Parked
from shared.state.reviews import Reviews

NAME = "shopify_writer"


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Write canonical fulfilments and links into Shopify until `stop`."""
    async with (
        open_shell(NAME, settings, stop) as shell,
        Database.open(settings.database_url, settings.database_pool_size) as database,
        open_connections(database, settings, shell.log) as connections,
        aiohttp.ClientSession() as session,
        open_producer(settings, shell.clock) as producer,
    ):
        shops = ShopifyClients(connections, session, metrics=shell.metrics, clock=shell.clock)
        writer = Writer(shops, Ledger(database, shell.clock), shell.clock, settings)
        async with open_consumer(
            shell,
            group=NAME,
            routes=[
                Route(CANONICAL_FULFILMENT, writer.fulfilment, "fulfilment", collapse=False),
                Route(CANONICAL_LINK, writer.link, "link", collapse=True, give_up="skip"),
            ],
            producer=producer,
            parked=Parked(database, NAME),
            reviews=Reviews(database),
            dead_letters=DEAD_LETTERS[NAME],
            options=ConsumerOptions(concurrency=settings.writer_concurrency),
        ) as consumer:
            await consumer.run()


if __name__ == "__main__":
    launch(NAME, Settings, run)
