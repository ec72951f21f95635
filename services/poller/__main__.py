"""Runs the poller: reads Heartland's feeds, which have no webhooks, and monitors Shopify's webhooks.

Only the replica that holds the lease of a connection's feed polls it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from services.poller.leased import leased, spaced
from services.poller.polling import Polling
from services.poller.settings import Settings
from services.poller.webhook_monitor import MonitorSettings, MonitorState, WebhookMonitor
from shared.connectors.clients import open_clients
from shared.entities.parts import PollParts
from shared.entities.settings_model import settings_check
from shared.entities.spec import Spec, load
from shared.entities.table import ENTITIES, check, polls, webhooks
from shared.limits.vendor_limits import open_vendor_limits
from shared.messaging.kafka.producer import open_producer
from shared.runtime.service import launch, open_shell
from shared.state.alerts import Alerts
from shared.state.connections import open_connections
from shared.state.cursors import Cursors
from shared.state.database import Database
from shared.state.database_clock import open_database_clock
from shared.state.leases import open_leases
from shared.state.links import Links
from shared.state.webhook_counts import WebhookCounts
from shared.state.webhook_watch import WebhookWatch

# The name of the lease for monitoring Shopify's webhooks.
MONITOR = "shopify.webhooks"


def monitor_settings(settings: Settings, entities: Sequence[Spec]) -> MonitorSettings:
    return MonitorSettings(
        settings.ingress_public_url,
        tuple(webhooks("shopify", entities)),
        timedelta(seconds=settings.subscription_overlap_seconds),
        timedelta(seconds=settings.poll_overlap_seconds),
    )


async def run(settings: Settings, stop: asyncio.Event, entities: Sequence[Spec] = ENTITIES) -> None:
    """Poll all feeds and monitor webhooks until `stop`."""
    check(entities)
    async with (
        open_shell("poller", settings, stop) as shell,
        Database.open(settings.database_url, settings.database_pool_size) as database,
        open_database_clock(database, shell) as shell,
        open_connections(database, settings, shell.log, check=settings_check(entities)) as connections,
        open_producer(settings, shell.clock) as producer,
        open_leases(settings.database_url) as leases,
        open_vendor_limits(shell, database, producer) as limits,
        open_clients(settings, connections, metrics=shell.metrics, clock=shell.clock, limits=limits) as clients,
    ):
        parts = PollParts(
            shell,
            producer,
            clients.heartland,
            Cursors(database),
            Links(database),
            overlap=timedelta(seconds=settings.poll_overlap_seconds),
            lookback=timedelta(hours=settings.poll_lookback_hours),
            page_size=settings.poll_page_size,
        )
        state = MonitorState(WebhookWatch(database), WebhookCounts(database), Alerts(database))
        monitor = WebhookMonitor(shell, clients.shopify.get, producer, state, monitor_settings(settings, entities))
        shell.health.ready_when("started", lambda: True)
        async with asyncio.TaskGroup() as tasks:
            for feed, entity, poll in (
                *((feed.feed, spec.name, load(feed.open)(parts)) for spec, feed in polls(entities)),
                (MONITOR, "order", spaced(settings.subscription_check_seconds, shell.clock, monitor.check)),
            ):
                polling = Polling(
                    connections.names,
                    leased(leases, feed, poll),
                    entity=entity,
                    seconds=settings.poll_seconds,
                    metrics=shell.metrics,
                    log=shell.log,
                )
                tasks.create_task(polling.run(stop), name=feed)


if __name__ == "__main__":
    launch("poller", Settings, run)
