"""Runs the Shopify writer: writes canonical records into Shopify."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from services.shopify_writer.settings import Settings
from shared.connectors.clients import open_clients
from shared.entities.parts import EntityWriter, ShopifyWriterParts
from shared.entities.settings_model import settings_check
from shared.entities.spec import Spec, load
from shared.entities.table import ENTITIES, check, writers
from shared.limits.vendor_limits import open_vendor_limits
from shared.messaging.consumer.consumer import open_consumer
from shared.messaging.kafka.producer import open_producer
from shared.messaging.topics import DEAD_LETTERS
from shared.runtime.service import launch, open_shell
from shared.state.connections import open_connections
from shared.state.database import Database
from shared.state.database_clock import open_database_clock
from shared.state.in_doubt import counting_in_doubt
from shared.state.ledger import Ledger
from shared.state.parked import Parked
from shared.state.reviews import Reviews

NAME = "shopify_writer"


async def run(settings: Settings, stop: asyncio.Event, entities: Sequence[Spec] = ENTITIES) -> None:
    """Write canonical records into Shopify until `stop`."""
    check(entities)
    async with (
        open_shell(NAME, settings, stop) as shell,
        Database.open(settings.database_url, settings.database_pool_size) as database,
        open_database_clock(database, shell) as shell,
        open_connections(database, settings, shell.log, check=settings_check(entities)) as connections,
        open_producer(settings, shell.clock) as producer,
        open_vendor_limits(shell, database, producer) as limits,
        open_clients(settings, connections, metrics=shell.metrics, clock=shell.clock, limits=limits) as clients,
    ):
        parts = ShopifyWriterParts(
            NAME,
            shell,
            database,
            clients.shopify,
            read_lag_seconds=settings.shopify_read_lag_seconds,
            link_batch_seconds=settings.link_batch_wait_ms / 1000,
        )
        entity_writers: list[EntityWriter] = [load(name)(parts) for name in writers("shopify", entities)]
        async with (
            counting_in_doubt(Ledger(database, shell.clock), shell, "shopify"),
            open_consumer(
                shell,
                group=NAME,
                routes=[route for writer in entity_writers for route in writer.routes],
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
