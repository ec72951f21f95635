"""`python -m services.ingress`: receives the webhooks of all connections."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Sequence

from services.ingress.answer import Taken
from services.ingress.app import Ingress, open_server
from services.ingress.doors import House
from services.ingress.forgeries import Addresses, Alarm, Change, Forgeries
from services.ingress.publisher import Publisher
from services.ingress.settings import Settings
from services.ingress.warning import alert_of, watch
from shared.entities.spec import Spec
from shared.entities.table import ENTITIES, check, sources
from shared.messaging.kafka.producer import Producer, open_producer
from shared.runtime.service import Shell, launch, open_shell
from shared.state.connections import open_connections
from shared.state.database import Database


async def run(settings: Settings, stop: asyncio.Event, entities: Sequence[Spec] = ENTITIES) -> None:
    """Receive webhooks until `stop`."""
    check(entities)
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
            [source.topic for _, source in sources(entities)],
            timeout_seconds=settings.ingress_publish_timeout_seconds,
            max_waiting_bytes=settings.ingress_max_waiting_bytes,
        )
        forgeries = _forgeries(shell, settings, producer)
        ingress = Ingress(
            settings,
            House(connections.get, entities),
            publisher,
            shell.metrics,
            shell.clock,
            shell.log,
            Taken(shell.clock),
            forgeries,
        )
        shell.health.ready_when("broker", lambda: producer.is_connected)
        # Each body becomes some hundred objects for a moment: what stays for ever need not be walked through with them.
        gc.freeze()
        watching = asyncio.create_task(watch(forgeries), name="forgeries")
        try:
            async with open_server(ingress.handle, settings.ingress_host, settings.ingress_port) as url:
                shell.log.info("receiving webhooks", url=url)
                await stop.wait()
        finally:
            watching.cancel()


def _forgeries(shell: Shell, settings: Settings, producer: Producer) -> Forgeries:
    seconds = settings.signature_alert_seconds

    def tell(change: Change) -> None:
        producer.alert(alert_of(change, seconds, shell.clock.now()))

    return Forgeries(
        Addresses(settings.ingress_failures_per_minute),
        Alarm(settings.signature_alert_count, seconds),
        shell.clock,
        tell,
    )


if __name__ == "__main__":
    launch("ingress", Settings, run)
