"""Starts the Shopify writer."""

from __future__ import annotations

import asyncio

import aiohttp

from services.shopify_writer.settings import Settings
from services.shopify_writer.writer import Writer
from shared.connectors.shopify.clients import ShopifyClients
from shared.limits.vendor_limits import open_vendor_limits
from shared.messaging.consumer.consumer import open_consumer
from shared.messaging.kafka.producer import open_producer
from shared.messaging.record import Route
from shared.messaging.topics import CANONICAL_FULFILMENT, CANONICAL_LINK, DEAD_LETTERS
from shared.runtime.service import launch, open_shell
from shared.state.connections import open_connections
from shared.state.database import Database
from shared.state.database_clock import open_database_clock
from shared.state.in_doubt import counting_in_doubt
from shared.state.ledger import Ledger
from shared.state.parked import Parked
from shared.state.partition_epochs import PartitionEpochs
from shared.state.reviews import Reviews

NAME = "shopify_writer"


def routes(writer: Writer) -> list[Route]:
    return [
        Route(CANONICAL_FULFILMENT, writer.fulfilment, "fulfilment", collapse=False),
        Route(CANONICAL_LINK, writer.link, "link", collapse=True, give_up="skip", writes=True),
    ]


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Write canonical fulfilments and links into Shopify until `stop`."""
    async with (
        open_shell(NAME, settings, stop) as shell,
        Database.open(settings.database_url, settings.database_pool_size) as database,
        open_database_clock(database, shell) as shell,
        open_connections(database, settings, shell.log) as connections,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
        open_producer(settings, shell.clock) as producer,
        open_vendor_limits(shell, database, producer) as guards,
    ):
        rate = settings.shopify_points_per_second
        shops = ShopifyClients(
            connections, session, metrics=shell.metrics, clock=shell.clock, points_per_second=rate, guards=guards
        )
        ledger = Ledger(database, shell.clock)
        writer = Writer(shops, ledger, shell.clock, settings, PartitionEpochs(database, NAME, shell.clock))
        async with (
            counting_in_doubt(ledger, shell, "shopify"),
            open_consumer(
                shell,
                group=NAME,
                routes=routes(writer),
                producer=producer,
                parked=Parked(database, NAME),
                reviews=Reviews(database),
                dead_letters=DEAD_LETTERS[NAME],
                options=settings.consumer_options(settings.writer_concurrency),
            ) as consumer,
        ):
            await consumer.run()


if __name__ == "__main__":
    launch(NAME, Settings, run)
