"""Starts the Heartland writer."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import aiohttp

from services.heartland_writer.settings import Settings
from shared.connectors.heartland.clients import CallLimits, HeartlandClients
from shared.entities.order.to_heartland.accounts import Accounts
from shared.entities.order.to_heartland.handler import Orders
from shared.limits.vendor_limits import open_vendor_limits
from shared.messaging.consumer.consumer import open_consumer
from shared.messaging.kafka.producer import Producer, open_producer
from shared.messaging.record import ConsumerOptions, Route
from shared.messaging.topics import CANONICAL_ORDER, DEAD_LETTERS
from shared.runtime.service import Shell, launch, open_shell
from shared.state.atomic_write import Notes
from shared.state.connections import open_connections
from shared.state.database import Database
from shared.state.database_clock import open_database_clock
from shared.state.in_doubt import counting_in_doubt
from shared.state.ledger import Ledger
from shared.state.parked import Parked
from shared.state.partition_epochs import PartitionEpochs
from shared.state.reviews import Reviews
from shared.state.target_state import TargetStates

NAME = "heartland_writer"


def options(settings: Settings, orders: Orders) -> ConsumerOptions:
    common = settings.consumer_options(settings.writer_concurrency)
    return replace(common, awaited=orders.existing, awaited_check_seconds=settings.awaited_check_seconds)


def limits(settings: Settings) -> CallLimits:
    return CallLimits(
        settings.heartland_requests_per_second, settings.heartland_max_in_flight, settings.heartland_timeout_seconds
    )


def _orders(
    settings: Settings, shell: Shell, database: Database, clients: HeartlandClients, producer: Producer
) -> Orders:
    clock, notes = shell.clock, Notes(database, shell.clock)
    accounts = Accounts(
        clients,
        ledger=Ledger(database, clock),
        notes=notes,
        clock=clock,
        item_cache_seconds=settings.item_cache_seconds,
    )
    return Orders(
        accounts,
        standings=TargetStates(database),
        owners=PartitionEpochs(database, NAME, clock),
        notes=notes,
        reviews=Reviews(database),
        producer=producer,
        clock=clock,
    )


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Write canonical orders into Heartland until `stop`."""
    async with (
        open_shell(NAME, settings, stop) as shell,
        Database.open(settings.database_url, settings.database_pool_size) as database,
        open_database_clock(database, shell) as shell,
        open_connections(database, settings, shell.log) as connections,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
        open_producer(settings, shell.clock) as producer,
        open_vendor_limits(shell, database, producer) as guards,
    ):
        clients = HeartlandClients(
            connections, session, limits(settings), metrics=shell.metrics, clock=shell.clock, guards=guards
        )
        orders = _orders(settings, shell, database, clients, producer)
        async with (
            counting_in_doubt(Ledger(database, shell.clock), shell, "heartland"),
            open_consumer(
                shell,
                group=NAME,
                routes=[Route(CANONICAL_ORDER, orders.handle, "order", collapse=True, writes=True)],
                producer=producer,
                parked=Parked(database, NAME),
                reviews=Reviews(database),
                dead_letters=DEAD_LETTERS[NAME],
                options=options(settings, orders),
            ) as consumer,
        ):
            await consumer.run()


if __name__ == "__main__":
    launch(NAME, Settings, run)
