"""Detects lost records: a log without what its group has not read yet. The broker does not report that."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

_ASK_SECONDS = 5.0
# Just after a change of leader, an end may be told that is too low.
_TWICE_SECONDS = 1.0


class LogWentBack(Exception):
    """Offsets that were read are used again: the end of the log was lost. Only a restart reads from the new start."""


def said_of(committed: int, first: int, end: int) -> str:
    """The defect of a log from `first` to `end`, given the committed offset; empty if there is none."""
    if committed > end:
        return f"the group has read up to {committed}, the log ends at {end}: its end was lost, or all of it"
    if committed < first:
        return f"the group has read up to {committed}, the log begins at {first}: unread records were deleted"
    return ""


async def find_losses(kafka: AIOKafkaConsumer, places: Sequence[TopicPartition]) -> dict[TopicPartition, str]:
    """The defect of each partition that has one. Nothing while the broker does not answer."""
    try:
        async with asyncio.timeout(_ASK_SECONDS):
            losses = dict(await _look(kafka, places))
            if losses:
                await asyncio.sleep(_TWICE_SECONDS)
                losses = dict(await _look(kafka, list(losses)))
            return losses
    except (KafkaError, TimeoutError):
        return {}


async def _look(kafka: AIOKafkaConsumer, places: Sequence[TopicPartition]) -> Iterator[tuple[TopicPartition, str]]:
    committed = [await kafka.committed(place) for place in places]
    first, end = await kafka.beginning_offsets(places), await kafka.end_offsets(places)
    said = [
        "" if at is None else said_of(at, first[place], end[place]) for place, at in zip(places, committed, strict=True)
    ]
    return ((place, what) for place, what in zip(places, said, strict=True) if what)
