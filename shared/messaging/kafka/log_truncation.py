"""Detects lost records: the log no longer has what its group has not read yet.

The broker does not report that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

_ASK_SECONDS = 5.0
# Just after a change of leader, the reported end may be too low: a defect is reported if it is seen twice.
_TWICE_SECONDS = 1.0


class LogTruncated(Exception):
    """Offsets that were read are used again: the end of the log was lost.

    Only a restart reads from the new start.
    """


def defect_of(committed: int, first: int, end: int) -> str:
    """The defect of a log from `first` to `end`, given the committed offset; empty if there is none."""
    if committed > end:
        return f"the group has read up to {committed}, the log ends at {end}: its end was lost, or all of it"
    if committed < first:
        return f"the group has read up to {committed}, the log begins at {first}: unread records were deleted"
    return ""


async def find_losses(kafka: AIOKafkaConsumer, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, str]:
    """The defect of each partition that has one. Nothing while the broker does not answer."""
    try:
        async with asyncio.timeout(_ASK_SECONDS):
            losses = dict(await _find(kafka, partitions))
            if losses:
                await asyncio.sleep(_TWICE_SECONDS)
                losses = dict(await _find(kafka, list(losses)))
            return losses
    except (KafkaError, TimeoutError):
        return {}


async def _find(kafka: AIOKafkaConsumer, partitions: Sequence[TopicPartition]) -> Iterator[tuple[TopicPartition, str]]:
    committed = [await kafka.committed(partition) for partition in partitions]
    first, end = await kafka.beginning_offsets(partitions), await kafka.end_offsets(partitions)
    read = [(partition, at) for partition, at in zip(partitions, committed, strict=True) if at is not None]
    defects = ((partition, defect_of(at, first[partition], end[partition])) for partition, at in read)
    return ((partition, defect) for partition, defect in defects if defect)
