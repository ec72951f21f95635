"""How many dead letters there are, by asking the broker: they outlive the services that wrote them."""

from __future__ import annotations

from collections.abc import Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from shared.errors import TargetDown
from shared.messaging.topics import DEAD_LETTERS, topic_name

_TIMEOUT_MS = 5_000


async def count_letters(
    bootstrap_servers: str, prefix: str, settled: Mapping[str, int] | None = None
) -> dict[str, int]:
    """Service -> dead letters kept, less those that were `settled`. Raises TargetDown."""
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
    kept = {
        service: sum(last[place] - first[place] for place in places if place.topic == topic_name(prefix, topic))
        for service, topic in DEAD_LETTERS.items()
    }
    return {service: max(0, count - (settled or {}).get(service, 0)) for service, count in kept.items()}
