"""A service in a test's hands: a consumer with its handler, on the run's broker and the test's own database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.local.engine import Engine
from shared.canonical.hop import Hop
from shared.entities.order.spec import CANONICAL_ORDER
from shared.messaging.consumer.consumer import Consumer, ConsumerOptions, Record, Result, Route, open_consumer
from shared.messaging.kafka.admin import create_topics
from shared.messaging.kafka.producer import Producer, open_producer
from shared.messaging.topics import ALERT, DEAD_LETTERS, TRACE, Topic, topic_name
from shared.runtime.clock import SystemClock
from shared.runtime.service import Shell, open_shell
from shared.runtime.settings import Settings
from shared.state.database import Database
from shared.state.parked import Parked
from shared.state.reviews import Reviews
from tests.support.engine import service_environ
from tests.support.messaging import MemoryParked, an_envelope

DEAD = DEAD_LETTERS["heartland_writer"]
# Quick enough for tests; what they mean in production stands in the defaults.
QUICK = ConsumerOptions(
    park_schedule=(0.2, 0.2),
    retry_check_seconds=0.05,
    awaited_check_seconds=0.1,
    commit_seconds=0.1,
    backoff_base_seconds=0.02,
    backoff_cap_seconds=0.2,
    session_timeout_seconds=6.0,
    heartbeat_seconds=0.3,
    drain_seconds=5.0,
)


@dataclass
class Handled:
    """A handler that notes what it is given; `behaviour` may raise or wait."""

    behaviour: Callable[[Sequence[Record]], Awaitable[None]] | None = None
    calls: list[list[Record]] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    running: dict[str, int] = field(default_factory=dict)
    overlapped: bool = False

    async def __call__(self, records: Sequence[Record]) -> Result:
        subject = records[0].envelope.subject
        self.overlapped |= self.running.get(subject, 0) > 0
        self.running[subject] = self.running.get(subject, 0) + 1
        self.calls.append(list(records))
        try:
            if self.behaviour is not None:
                await self.behaviour(records)
        finally:
            self.running[subject] -= 1
        self.done += [record.envelope.id for record in records]
        return Result("applied", shopify_id=subject)

    def seen(self, subject: str) -> list[str]:
        """Ids that worked, of one aggregate, in order."""
        return [event for event in self.done if event.startswith(f"{subject}.")]


@dataclass
class Harness:
    """The broker, the database and the topics of one test."""

    settings: Settings
    database: Database
    producer: Producer
    topic: Topic

    @property
    def parked(self) -> Parked:
        return Parked(self.database, "writer")

    async def publish(self, subject: str, number: int, **changes: object) -> None:
        """The aggregate's event of this number; its id is `<subject>.<number>`."""
        envelope = replace(an_envelope(subject, id=f"{subject}.{number}"), **changes)  # type: ignore[arg-type]
        await self.producer.send(self.topic, envelope)

    async def read(self, topic: Topic, count: int) -> list[tuple[bytes | None, dict[str, bytes], bytes]]:
        """The first `count` records of a topic: key, headers, value."""
        async with self.reader(topic) as reader:
            records = []
            async with asyncio.timeout(20):
                while len(records) < count:
                    batches = await reader.getmany(timeout_ms=100)
                    records += [record for batch in batches.values() for record in batch]
        return [(record.key, dict(record.headers), record.value) for record in records]

    async def hops(self, count: int) -> list[Hop]:
        """The first `count` hops that were traced; a record may hold many."""
        async with self.reader(TRACE) as reader:
            hops: list[Hop] = []
            async with asyncio.timeout(20):
                while len(hops) < count:
                    batches = await reader.getmany(timeout_ms=100)
                    bodies = [orjson.loads(record.value) for batch in batches.values() for record in batch]
                    hops += [Hop.model_validate(hop) for body in bodies for hop in body]
        return hops

    @asynccontextmanager
    async def reader(self, topic: Topic, group: str | None = None) -> AsyncIterator[AIOKafkaConsumer]:
        name = topic_name(self.settings.topic_prefix, topic)
        reader = AIOKafkaConsumer(
            bootstrap_servers=self.settings.kafka_bootstrap_servers,
            group_id=group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        await reader.start()
        try:
            reader.assign([TopicPartition(name, number) for number in range(topic.partitions)])
            yield reader
        finally:
            await reader.stop()

    async def committed(self, group: str = "writer") -> int:
        """Records of the topic that the group has committed."""
        async with self.reader(self.topic, self.settings.topic_prefix + group) as reader:
            offsets = [await reader.committed(partition) for partition in reader.assignment()]
        return sum(offset or 0 for offset in offsets)

    async def has_committed(self, count: int) -> bool:
        return await self.committed() >= count


@asynccontextmanager
async def a_harness(
    engine: Engine, topic_prefix: str, database_url: str, topic: Topic = CANONICAL_ORDER
) -> AsyncIterator[Harness]:
    environ = service_environ(engine, topic_prefix=topic_prefix, database_url=database_url)
    settings = Settings.from_env(environ)
    await create_topics(settings, (topic, DEAD, TRACE, ALERT))
    async with (
        Database.open(database_url, 4) as database,
        open_producer(settings, SystemClock()) as producer,
    ):
        yield Harness(settings, database, producer, topic)


@dataclass
class Running:
    """A consumer at work. `stop` ends it as SIGTERM would, `kill` as a crash would."""

    consumer: Consumer
    shell: Shell
    task: asyncio.Task[None]

    async def stop(self) -> None:
        self.shell.stop.set()
        await self.task

    async def kill(self) -> None:
        self.task.cancel()
        await asyncio.wait({self.task})


@asynccontextmanager
async def consuming(
    harness: Harness,
    handled: Callable[[Sequence[Record]], Awaitable[Result]],
    *,
    options: ConsumerOptions = QUICK,
    collapse: bool = False,
    give_up: str = "halt",
    group: str = "writer",
    settings: Settings | None = None,
    parked: Parked | MemoryParked | None = None,
    dead_letters: Topic = DEAD,
    stop: asyncio.Event | None = None,
) -> AsyncIterator[Running]:
    """A service that consumes the harness's topic; stopped at the end, raising what it ended with."""
    settings = settings or harness.settings
    route = Route(harness.topic, handled, "order", collapse, give_up)  # type: ignore[arg-type]
    async with (
        open_shell("writer", settings, stop or asyncio.Event()) as shell,
        open_producer(settings, shell.clock) as producer,
        open_consumer(
            shell,
            group=group,
            routes=[route],
            producer=producer,
            parked=parked or harness.parked,  # type: ignore[arg-type]
            reviews=Reviews(harness.database),
            dead_letters=dead_letters,
            options=options,
        ) as consumer,
    ):
        running = Running(consumer, shell, asyncio.create_task(consumer.run()))
        try:
            yield running
        finally:
            shell.stop.set()
            if not running.task.done():
                await running.task
