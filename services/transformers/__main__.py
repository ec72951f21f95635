"""Runs a transformer: turns the notices of one entity's raw topics into canonical events."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from services.transformers.settings import Settings
from services.transformers.shops import open_shops
from services.transformers.table import route
from shared.connectors.clients import open_clients
from shared.entities.parts import TransformParts
from shared.entities.settings_model import settings_check
from shared.entities.spec import Spec
from shared.entities.table import ENTITIES, check
from shared.limits.vendor_limits import open_vendor_limits
from shared.messaging.consumer.consumer import open_consumer
from shared.messaging.kafka.producer import open_producer
from shared.messaging.topics import DEAD_LETTERS
from shared.runtime.service import launch, open_shell
from shared.state.connections import open_connections
from shared.state.database import Database
from shared.state.database_clock import open_database_clock
from shared.state.parked import Parked
from shared.state.reviews import Reviews

NAME = "transformers"


async def run(settings: Settings, stop: asyncio.Event, entities: Sequence[Spec] = ENTITIES) -> None:
    """Turn the notices of one entity into canonical events until `stop`."""
    check(entities)
    async with (
        open_shell(NAME, settings, stop) as shell,
        Database.open(settings.database_url, settings.database_pool_size) as database,
        open_database_clock(database, shell) as shell,
        open_connections(database, settings, shell.log, check=settings_check(entities)) as connections,
        open_producer(settings, shell.clock) as producer,
        open_vendor_limits(shell, database, producer) as limits,
        open_clients(settings, connections, metrics=shell.metrics, clock=shell.clock, limits=limits) as clients,
        open_shops(settings, clients.shopify) as shops,
    ):
        reviews = Reviews(database)
        ours = route(
            settings.transformer_entity, TransformParts(shell, producer, reviews, shops.of, clients.heartland), entities
        )
        async with open_consumer(
            shell,
            # One group per entity: members of a group that read different topics disturb each other's rebalances.
            group=f"transformer-{settings.transformer_entity}",
            routes=[ours],
            producer=producer,
            parked=Parked(database, NAME),
            reviews=reviews,
            dead_letters=DEAD_LETTERS[NAME],
            options=settings.consumer_options(settings.transformer_concurrency),
        ) as consumer:
            await consumer.run()


if __name__ == "__main__":
    launch(NAME, Settings, run)
