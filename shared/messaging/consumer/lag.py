"""Consumer lag metrics.

End offsets are also read while partitions are paused, so that an outage shows as lag.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from shared.errors import TargetDown
from shared.messaging.consumer.commit import Committer
from shared.messaging.lanes.lane import Partition
from shared.messaging.lanes.lanes import Lanes
from shared.messaging.parking.parking import Parking
from shared.messaging.record import Route
from shared.runtime.clock import Clock
from shared.runtime.metrics import ServiceMetrics

_PERIOD_SECONDS = 2.0
_ASK_SECONDS = 5.0


class Lag:
    """Sets lanes, lag_messages, lag_seconds and parked."""

    def __init__(
        self,
        metrics: ServiceMetrics,
        kafka: AIOKafkaConsumer,
        lanes: Lanes,
        parking: Parking,
        committer: Committer,
        routes: Mapping[str, Route],
        clock: Clock,
    ) -> None:
        self._metrics = metrics
        self._kafka = kafka
        self._lanes = lanes
        self._parking = parking
        self._committer = committer
        self._routes = routes
        self._clock = clock

    async def watch(self) -> None:
        while True:
            self._metrics.lanes.set(len(self._lanes))
            self._set_seconds()
            await self._set_messages()
            await self._set_parked()
            await asyncio.sleep(_PERIOD_SECONDS)

    def _set_seconds(self) -> None:
        now = self._clock.now().timestamp()
        for name, route in self._routes.items():
            oldest = self._lanes.oldest(name)
            seconds = 0.0 if oldest is None else max(now - oldest / 1000, 0.0)
            self._metrics.lag_seconds.labels(topic=route.topic.name).set(seconds)

    async def _set_messages(self) -> None:
        epoch = self._lanes.epoch
        try:
            async with asyncio.timeout(_ASK_SECONDS):
                await self._load_positions(epoch)
                ends = await self._kafka.end_offsets(
                    [TopicPartition(*partition) for partition in self._lanes.partitions()]
                )
        except (KafkaError, TimeoutError):
            return
        behind = dict.fromkeys(self._routes, 0)
        for (topic, partition), position in self._lanes.positions().items():
            end = ends.get(TopicPartition(topic, partition), position)
            behind[topic] += max(end - position, 0)
        for name, count in behind.items():
            self._metrics.lag_messages.labels(topic=self._routes[name].topic.name).set(count)

    async def _load_positions(self, epoch: int) -> None:
        """Read the committed positions of partitions without records so far."""
        for partition in self._lanes.partitions() - self._lanes.positions().keys():
            position: int = await self._kafka.position(TopicPartition(*partition))
            if self._lanes.epoch != epoch:
                return
            self._start_at(partition, position)

    def _start_at(self, partition: Partition, position: int) -> None:
        if partition not in self._lanes.positions():
            self._lanes.start_at(partition, position)
            self._committer.known(partition, position)

    async def _set_parked(self) -> None:
        try:
            counts = await self._parking.count()
        except TargetDown:
            return
        for entity in {route.entity for route in self._routes.values()}:
            self._metrics.parked.labels(entity=entity).set(counts.get(entity, 0))
