"""Runs ingress: receives the webhooks of all connections."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Sequence

from services.ingress.app import Ingress, open_server
from services.ingress.publisher import Publisher
from services.ingress.receivers import ReceiverCache
from services.ingress.response import AcceptedResponse
from services.ingress.settings import Settings
from services.ingress.signature_alert import alert_of, watch
from services.ingress.signature_failures import AlertChange, FailureAlert, SenderThrottle, SignatureFailures
from shared.entities.spec import Spec
from shared.entities.table import ENTITIES, check, sources
from shared.messaging.kafka.producer import Producer, open_producer
from shared.runtime.service import Shell, launch, open_shell
from shared.state.connections import accept_all, open_connections
from shared.state.database import Database


async def run(settings: Settings, stop: asyncio.Event, entities: Sequence[Spec] = ENTITIES) -> None:
    """Receive webhooks of all connections until `stop`."""
    check(entities)
    async with (
        open_shell("ingress", settings, stop) as shell,
        Database.open(settings.database_url, settings.database_pool_size) as database,
        open_connections(database, settings, shell.log, check=accept_all) as connections,
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
        signature_failures = _signature_failures(shell, settings, producer)
        ingress = Ingress(
            settings,
            ReceiverCache(connections.get, entities),
            publisher,
            shell.metrics,
            shell.clock,
            shell.log,
            AcceptedResponse(shell.clock),
            signature_failures,
        )
        shell.health.ready_when("broker", lambda: producer.is_connected)
        # Parsing a body creates hundreds of objects, which starts the garbage collector often: it need not traverse
        # the long-lived objects each time.
        gc.freeze()
        watching = asyncio.create_task(watch(signature_failures), name="signature_failures")
        try:
            async with open_server(ingress.handle, settings.ingress_host, settings.ingress_port) as url:
                shell.log.info("receiving webhooks", url=url)
                await stop.wait()
        finally:
            watching.cancel()


def _signature_failures(shell: Shell, settings: Settings, producer: Producer) -> SignatureFailures:
    seconds = settings.signature_alert_seconds

    def publish(change: AlertChange) -> None:
        producer.alert(alert_of(change, seconds, shell.clock.now()))

    return SignatureFailures(
        SenderThrottle(settings.ingress_failures_per_minute),
        FailureAlert(settings.signature_alert_count, seconds),
        shell.clock,
        publish,
    )


if __name__ == "__main__":
    launch("ingress", Settings, run)
