"""Runs the Heartland writer: writes canonical records into Heartland."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from services.heartland_writer.settings import Settings
from shared.connectors.clients import open_clients
from shared.entities.parts import EntityWriter, Existing, HeartlandWriterParts
from shared.entities.settings_model import settings_check
from shared.entities.spec import Spec, load
from shared.entities.table import ENTITIES, check, writers
from shared.limits.vendor_limits import open_vendor_limits
from shared.messaging.consumer.consumer import open_consumer
from shared.messaging.kafka.producer import open_producer
from shared.messaging.record import ConsumerOptions
from shared.messaging.topics import DEAD_LETTERS
from shared.runtime.service import launch, open_shell
from shared.state.connections import open_connections
from shared.state.database import Database
from shared.state.database_clock import open_database_clock
from shared.state.in_doubt import counting_in_doubt
from shared.state.ledger import Ledger
from shared.state.parked import Parked
from shared.state.reviews import Reviews

NAME = "heartland_writer"


def options(settings: Settings, entity_writers: Sequence[EntityWriter]) -> ConsumerOptions:
    common = settings.consumer_options(settings.writer_concurrency)
    return replace(common, awaited=existing(entity_writers), awaited_check_seconds=settings.awaited_check_seconds)


def existing(entity_writers: Sequence[EntityWriter]) -> Existing:
    """A function that returns which of the awaited names exist by now, according to the entities' writers."""

    async def find(names: set[str]) -> set[str]:
        found: set[str] = set()
        for writer in entity_writers:
            if writer.existing is not None:
                found |= await writer.existing(names)
        return found

    return find


async def run(settings: Settings, stop: asyncio.Event, entities: Sequence[Spec] = ENTITIES) -> None:
    """Write canonical records into Heartland until `stop`."""
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
        parts = HeartlandWriterParts(NAME, shell, database, producer, clients.heartland, settings.item_cache_seconds)
        entity_writers: list[EntityWriter] = [load(name)(parts) for name in writers("heartland", entities)]
        async with (
            counting_in_doubt(Ledger(database, shell.clock), shell, "heartland"),
            open_consumer(
                shell,
                group=NAME,
                routes=[route for writer in entity_writers for route in writer.routes],
                producer=producer,
                parked=Parked(database, NAME),
                reviews=Reviews(database),
                dead_letters=DEAD_LETTERS[NAME],
                options=options(settings, entity_writers),
            ) as consumer,
        ):
            await consumer.run()


if __name__ == "__main__":
    launch(NAME, Settings, run)
