"""Runs the journal: stores hops and alerts for `tillbridge trace` and `tillbridge alerts`."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

from aiokafka import AIOKafkaConsumer

from services.journal.keeper import Keeper
from services.journal.settings import Settings
from shared.entities.spec import Spec
from shared.entities.table import ENTITIES, check, sources
from shared.errors import TargetDown
from shared.messaging.dead_letters.writer import DeadLetters, own_version
from shared.messaging.kafka.clients import connect_consumer, stop_consumer
from shared.messaging.kafka.producer import Producer, open_producer
from shared.messaging.record import ConsumerOptions
from shared.messaging.topics import ALERT, DEAD_LETTERS, TRACE, Topic, topic_name
from shared.runtime.service import Shell, launch, open_shell
from shared.state.alerts import Alerts
from shared.state.database import Database
from shared.state.journal import Journal
from shared.state.webhook_counts import WebhookCounts

NAME = "journal"
_DEAD_LETTERS_IN_A_ROW = 1_000
_CLEANUP_SECONDS = 3_600.0


async def run(settings: Settings, stop: asyncio.Event, entities: Sequence[Spec] = ENTITIES) -> None:
    """Store hops, alerts and webhook counts until `stop`."""
    check(entities)
    raw = {source.topic: (spec, source) for spec, source in sources(entities)}
    topics = {topic_name(settings.topic_prefix, topic): topic for topic in (TRACE, ALERT, *raw)}
    async with (
        open_shell(NAME, settings, stop) as shell,
        Database.open(settings.database_url, settings.database_pool_size) as database,
        open_producer(settings, shell.clock) as producer,
    ):
        connected = asyncio.Event()
        shell.health.ready_when("consumer", connected.is_set)
        async with _connected(shell, settings, topics) as kafka:
            if kafka is None:
                return
            connected.set()
            journal, counts = Journal(database), WebhookCounts(database)
            keeper = Keeper(
                shell,
                kafka,
                topics,
                raw,
                journal,
                Alerts(database),
                counts,
                _dead_letters(producer, settings),
                batch_records=settings.journal_batch_records,
                collect_seconds=settings.journal_collect_seconds,
                random=random.random,
            )
            async with asyncio.TaskGroup() as tasks:
                cleanup = tasks.create_task(
                    _delete_expired(shell, journal, Alerts(database), counts, settings.journal_retention_days)
                )
                await keeper.run()
                cleanup.cancel()


@asynccontextmanager
async def _connected(
    shell: Shell, settings: Settings, topics: dict[str, Topic]
) -> AsyncIterator[AIOKafkaConsumer | None]:
    """The subscribed consumer; None if `stop` came before a broker answered."""
    options = ConsumerOptions(session_timeout_seconds=settings.session_timeout_seconds)
    connecting = asyncio.create_task(connect_consumer(settings, NAME, options, topics, shell.log))
    stopping = asyncio.create_task(shell.stop.wait())
    await asyncio.wait({connecting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not connecting.done():
        connecting.cancel()
        await asyncio.wait({connecting})
        yield None
        return
    kafka = connecting.result()
    try:
        kafka.subscribe(topics=list(topics))
        yield kafka
    finally:
        await stop_consumer(kafka)


def _dead_letters(producer: Producer, settings: Settings) -> DeadLetters:
    return DeadLetters(
        producer,
        topic_name(settings.topic_prefix, DEAD_LETTERS[NAME]),
        service=NAME,
        version=own_version(),
        limit=_DEAD_LETTERS_IN_A_ROW,
    )


async def _delete_expired(shell: Shell, journal: Journal, alerts: Alerts, counts: WebhookCounts, days: float) -> None:
    """Delete hops, counts and closed alerts older than `days`, now and every hour."""
    while True:
        try:
            before = shell.clock.now() - timedelta(days=days)
            await counts.forget(before)
            hops, closed = await journal.forget(before), await alerts.forget(before)
            if hops or closed:
                shell.log.info("expired hops and alerts deleted", hops=hops, alerts=closed)
        except TargetDown as error:
            shell.log.warning("expired hops and alerts not deleted, trying again in an hour", reason=error.reason)
        await asyncio.sleep(_CLEANUP_SECONDS)


if __name__ == "__main__":
    launch(NAME, Settings, run)
