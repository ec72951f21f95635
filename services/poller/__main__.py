"""The poller: reads what Heartland does not push, feed by feed, connection by connection."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import aiohttp

from services.poller.invoices import InvoiceFeed, Window
from services.poller.settings import Settings
from shared.connectors.heartland.clients import CallLimits, HeartlandClients
from shared.errors import IntegrationError, TargetDown
from shared.messaging.producer import Producer, open_producer
from shared.runtime.service import Shell, launch, open_shell
from shared.state.connections import Connections, open_connections
from shared.state.cursors import Cursors
from shared.state.database import Database
from shared.state.links import Links


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Poll until `stop` is set."""
    limits = CallLimits(
        settings.heartland_requests_per_second, settings.heartland_max_in_flight, settings.heartland_timeout_seconds
    )
    async with (
        open_shell("poller", settings, stop) as shell,
        Database.open(settings.database_url, settings.database_pool_size) as database,
        open_connections(database, settings, shell.log) as connections,
        open_producer(settings, shell.clock) as producer,
        aiohttp.ClientSession() as session,
    ):
        clients = HeartlandClients(connections, session, limits, metrics=shell.metrics, clock=shell.clock)
        shell.health.ready_when("started", lambda: True)
        await _poll_until_stopped(shell, settings, connections, clients, producer, Cursors(database), Links(database))


async def _poll_until_stopped(
    shell: Shell,
    settings: Settings,
    connections: Connections,
    clients: HeartlandClients,
    producer: Producer,
    cursors: Cursors,
    links: Links,
) -> None:
    window = Window(
        timedelta(seconds=settings.poll_overlap_seconds),
        timedelta(hours=settings.poll_lookback_hours),
        settings.poll_page_size,
    )

    async def poll(name: str) -> None:
        try:
            feed = InvoiceFeed(clients.get(name).client, producer, cursors, links, shell.clock, window)
            published = await feed.poll(name)
        except IntegrationError as error:
            # A feed that fails holds up no other; its cursor has not moved, so nothing is skipped.
            reason = "target_down" if isinstance(error, TargetDown) else "retry"
            shell.metrics.events_failed.labels("fulfilment", reason).inc()
            shell.log.warning("feed not read", connection=name, entity="fulfilment", reason=error.reason)
            return
        shell.metrics.events_out.labels("fulfilment").inc(published)
        if published:
            shell.log.info("published", connection=name, entity="fulfilment", count=published)

    while not shell.stop.is_set():
        await asyncio.gather(*(poll(name) for name in connections.names()))
        await _pause(shell.stop, settings.poll_seconds)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return


if __name__ == "__main__":
    launch("poller", Settings, run)
