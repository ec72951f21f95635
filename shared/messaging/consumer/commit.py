"""Commits offsets up to the watermark, before which all work is finished. No other module commits."""

from __future__ import annotations

import asyncio

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from structlog.typing import FilteringBoundLogger

from shared.errors import TargetDown
from shared.messaging.kafka.producer import Producer
from shared.messaging.lanes.lane import Partition
from shared.messaging.lanes.lanes import Lanes

# The client library retries a commit without end while the broker is down; a rebalance waits for it.
_COMMIT_SECONDS = 10.0
_FLUSH_SECONDS = 5.0


class Committer:
    """Commits the watermarks of one consumer."""

    def __init__(self, kafka: AIOKafkaConsumer, lanes: Lanes, producer: Producer, log: FilteringBoundLogger) -> None:
        self._kafka = kafka
        self._lanes = lanes
        self._producer = producer
        self._log = log
        self._committed: dict[Partition, int] = {}
        # Held around a commit only, never around a poll: the rebalance listener takes it too.
        self._lock = asyncio.Lock()

    async def commit(self) -> None:
        """Commit watermarks that moved.

        A failure only delays: the next call commits, or records are read again.
        """
        async with self._lock:
            epoch = self._lanes.epoch
            moved = {
                partition: at
                for partition, at in self._lanes.positions().items()
                if self._committed.get(partition) != at
            }
            if not moved:
                return
            try:
                # Hops of finished records first: once the offset is committed, they are not sent again.
                await self._producer.flush(_FLUSH_SECONDS)
                # The library checks ownership against the current assignment, so a commit for the last one would pass.
                if self._lanes.epoch != epoch:
                    return
                async with asyncio.timeout(_COMMIT_SECONDS):
                    await self._kafka.commit({TopicPartition(*partition): at for partition, at in moved.items()})
            except (TargetDown, KafkaError, TimeoutError) as error:
                self._log.warning("offsets are not committed yet", error=repr(error))
                return
            if self._lanes.epoch == epoch:
                self._committed.update(moved)

    def known(self, partition: Partition, position: int) -> None:
        """Remember a position that is committed already."""
        self._committed.setdefault(partition, position)

    def forget(self) -> None:
        """Forget all positions: the assignment has ended."""
        self._committed.clear()
