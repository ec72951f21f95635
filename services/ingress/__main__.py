"""`python -m services.ingress`: receives the webhooks of all connections."""

from __future__ import annotations

import asyncio
import gc

from services.ingress.answer import Taken
from services.ingress.app import Ingress, open_server
from services.ingress.doors import House
from services.ingress.publisher import Publisher
from services.ingress.settings import Settings
from shared.messaging.producer import open_producer
from shared.runtime.service import launch, open_shell
from shared.state.connections import open_connections
from shared.state.database import Database


async def run(settings: Settings, stop: asyncio.Event) -> None:
    async with (
        open_shell("ingress", settings, stop) as shell,
        Database.open(settings.database_url, settings.database_pool_size) as database,
        open_connections(database, settings, shell.log) as connections,
        open_producer(settings, shell.clock) as producer,
    ):
        publisher = Publisher(
            producer,
            shell.metrics,
            settings.topic_prefix,
            timeout_seconds=settings.ingress_publish_timeout_seconds,
            max_waiting_bytes=settings.ingress_max_waiting_bytes,
        )
        ingress = Ingress(
            settings, House(connections.get), publisher, shell.metrics, shell.clock, shell.log, Taken(shell.clock)
        )
        shell.health.ready_when("broker", lambda: producer.is_connected)
        # Each body becomes some hundred objects for a moment: what stays for ever need not be walked through with them.
        gc.freeze()
        async with open_server(ingress.handle, settings.ingress_host, settings.ingress_port) as url:
            shell.log.info("receiving webhooks", url=url)
            await stop.wait()


if __name__ == "__main__":
    launch("ingress", Settings, run)
