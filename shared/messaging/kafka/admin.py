"""Creates topics before any service starts.

The broker does not create any itself, so that a typo stays an error.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from itertools import count

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from shared.errors import Misconfigured, TargetDown
from shared.messaging.topics import Topic, topic_name
from shared.runtime.settings import Settings

_EXISTS = TopicAlreadyExistsError.errno


async def create_topics(settings: Settings, topics: Iterable[Topic], *, timeout_seconds: float = 30.0) -> None:
    """Create what is missing, and return once the leader of every partition answers.

    Safe to call any number of times, also at once. Raises TargetDown if the broker does not manage in time,
    Misconfigured if a topic exists with another number of partitions (the order of keys would break) or is refused.
    """
    wanted = {topic_name(settings.topic_prefix, topic): topic for topic in topics}
    try:
        async with asyncio.timeout(timeout_seconds), _admin(settings) as admin:
            await _create(admin, wanted)
            await _until_there(admin, wanted)
            await _until_leaders_answer(settings, wanted)
    except (TimeoutError, KafkaError) as error:
        raise TargetDown(f"Kafka did not create the topics: {error!r}") from error


@asynccontextmanager
async def _admin(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers)
    try:
        await _start(admin)
        yield admin
    finally:
        await admin.close()


async def _start(admin: AIOKafkaAdminClient) -> None:
    """Connect, again while a starting broker refuses connections."""
    while True:
        try:
            await admin.start()
        except KafkaError:
            await asyncio.sleep(0.2)
        else:
            return


async def _create(admin: AIOKafkaAdminClient, wanted: dict[str, Topic]) -> None:
    # Replication -1 takes the broker's default: one on a laptop, three in a cluster. The client takes -1 only beside
    # assignments of replicas, be they none.
    new = [
        NewTopic(name, topic.partitions, -1, replica_assignments={}, topic_configs=topic.config())
        for name, topic in wanted.items()
    ]
    answer = await admin.create_topics(new)
    for name, code, *message in answer.topic_errors:
        if code not in (0, _EXISTS):
            raise Misconfigured(f"Kafka refuses the topic {name}: {for_code(code).__name__} {message}")


async def _until_there(admin: AIOKafkaAdminClient, wanted: dict[str, Topic]) -> None:
    """Wait until the metadata has the new topics: the broker answers before that."""
    for _ in count():
        if await _all_there(admin, wanted):
            return
        await asyncio.sleep(0.05)


async def _until_leaders_answer(settings: Settings, wanted: dict[str, Topic]) -> None:
    """Wait until every leader answers.

    Metadata names a leader before it accepts records (NOT_LEADER_OR_FOLLOWER).

    A busy broker was seen to take more than three seconds, in which ingress would refuse webhooks. Asking for offsets
    is tried again by the client until each leader answers.
    """
    partitions = [TopicPartition(name, number) for name, topic in wanted.items() for number in range(topic.partitions)]
    async with AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap_servers) as client:
        await client.end_offsets(partitions)


async def _all_there(admin: AIOKafkaAdminClient, wanted: dict[str, Topic]) -> bool:
    described = await admin.describe_topics(list(wanted))
    for topic in described:
        if topic["error_code"] != 0 or any(part["leader"] < 0 for part in topic["partitions"]):
            return False
        if len(topic["partitions"]) != wanted[topic["topic"]].partitions:
            raise Misconfigured(
                f"the topic {topic['topic']} has {len(topic['partitions'])} partitions,"
                f" it must have {wanted[topic['topic']].partitions}: changed counts need a new topic version"
            )
    return len(described) == len(wanted)
