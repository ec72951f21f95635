"""Starts the Heartland writer."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import aiohttp

from services.heartland_writer.accounts import Accounts
from services.heartland_writer.order import Orders
from services.heartland_writer.settings import Settings
from shared.connectors.guards import open_guards
from shared.connectors.heartland.clients import CallLimits, HeartlandClients
from shared.messaging.consumer import open_consumer
from shared.messaging.producer import open_producer
from shared.messaging.record import ConsumerOptions, Route
from shared.messaging.topics import CANONICAL_ORDER, DEAD_LETTERS
from shared.runtime.service import launch, open_shell
from shared.state.connections import open_connections
from shared.state.database import Database
from shared.state.doubts import counting_doubts
from shared.state.ledger import Ledger
from shared.state.notes import Notes
from shared.state.owners import Owners
from shared.state.parked import Parked
from shared.state.reviews import Reviews
from shared.state.shared_time import open_shared_time
from shared.state.standing import Standings

NAME = "heartland_writer"


def options(settings: Settings, orders: Orders) -> ConsumerOptions:
    common = settings.consumer_options(settings.writer_concurrency)
    return replace(common, awaited=orders.existing, awaited_check_seconds=settings.awaited_check_seconds)


def limits(settings: Settings) -> CallLimits:
    return CallLimits(
        settings.heartland_requests_per_second, settings.heartland_max_in_flight, settings.heartland_timeout_seconds
    )


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Write canonical orders into Heartland until `stop`."""
    async with (
        open_shell(NAME, settings, stop) as shell,
        Database.open(settings.database_url, settings.database_pool_size) as database,
        open_shared_time(database, shell) as shell,
        open_connections(database, settings, shell.log) as connections,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
        open_producer(settings, shell.clock) as producer,
        open_guards(shell, database, producer) as guards,
    ):
        clients = HeartlandClients(
            connections, session, limits(settings), metrics=shell.metrics, clock=shell.clock, guards=guards
        )
        ledger = Ledger(database, shell.clock)
        notes, reviews = Notes(database, shell.clock), Reviews(database)
        accounts = Accounts(
            clients,
            ledger=ledger,
            notes=notes,
            clock=shell.clock,
            item_cache_seconds=settings.item_cache_seconds,
        )
        orders = Orders(
            accounts,
            standings=Standings(database),
            owners=Owners(database, NAME, shell.clock),
            notes=notes,
            reviews=reviews,
            producer=producer,
            clock=shell.clock,
        )
        async with (
            counting_doubts(ledger, shell, "heartland"),
            open_consumer(
                shell,
                group=NAME,
                routes=[Route(CANONICAL_ORDER, orders.handle, "order", collapse=True, writes=True)],
                producer=producer,
                parked=Parked(database, NAME),
                reviews=reviews,
                dead_letters=DEAD_LETTERS[NAME],
                options=options(settings, orders),
            ) as consumer,
        ):
            await consumer.run()


if __name__ == "__main__":
    launch(NAME, Settings, run)
