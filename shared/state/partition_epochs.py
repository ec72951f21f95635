"""Partition epochs: since when this process owns a partition.

A former owner sent its last write before that.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from shared.runtime.clock import Clock
from shared.state.database import Database


class PartitionEpochs:
    """The partitions of one service."""

    def __init__(self, db: Database, service: str, clock: Clock) -> None:
        self._db = db
        self._service = service
        self._clock = clock

    async def taken_at(self, topic: str, partition: int) -> datetime | None:
        """When the partition was assigned last, by our own clock; None if it never was. Raises TargetDown."""
        row = await self._db.fetchrow(
            """select extract(epoch from clock_timestamp() - taken_at)::float8 as seconds
                 from owners where service = $1 and topic = $2 and partition = $3""",
            self._service, topic, partition,
        )  # fmt: skip
        return None if row is None else self._clock.now() - timedelta(seconds=row["seconds"])
