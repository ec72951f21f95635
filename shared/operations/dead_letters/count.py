"""Counts dead letters by asking Kafka: they outlive the services that wrote them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from shared.errors import TargetDown
from shared.messaging.topics import DEAD_LETTERS, topic_name

_TIMEOUT_MS = 5_000


async def count_dead_letters(bootstrap_servers: str, prefix: str, settled: Collection[str] = ()) -> dict[str, int]:
    """Service -> dead letters kept, less those that were `settled` (their ids). Raises TargetDown."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers, request_timeout_ms=_TIMEOUT_MS)
    try:
        await consumer.start()
        places = [
            TopicPartition(topic_name(prefix, topic), number)
            for topic in DEAD_LETTERS.values()
            for number in range(topic.partitions)
        ]
        first, last = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
    except (KafkaError, TimeoutError) as error:
        raise TargetDown(f"Kafka at {bootstrap_servers} does not answer: {error!r}") from error
    finally:
        await consumer.stop()
    by_topic = {topic_name(prefix, topic): service for service, topic in DEAD_LETTERS.items()}
    begin = {(by_topic[place.topic], place.partition): offset for place, offset in first.items()}
    kept: Counter[str] = Counter()
    for place in places:
        kept[by_topic[place.topic]] += last[place] - first[place]
    done = still_kept(settled, begin)
    return {service: max(0, kept[service] - done[service]) for service in DEAD_LETTERS}


def still_kept(letters: Collection[str], begin: Mapping[tuple[str, int], int]) -> Counter[str]:
    """Service -> how many of these letters its topic still keeps; its partitions `begin` at these offsets."""
    found: Counter[str] = Counter()
    for name in letters:
        service, partition, offset = name.rsplit(":", 2)
        found[service] += int(offset) >= begin.get((service, int(partition)), 0)
    return found
