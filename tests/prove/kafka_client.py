"""Reads topics and committed offsets from the broker, and injects the faults that only a Kafka client can."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from shared.entities.table import topics
from shared.messaging.topics import Topic, topic_name

Json = dict[str, Any]
# Groups of the local stack, not of a service: the broker's readiness check.
_NOT_OURS = ("tillbridge-ready",)
_SECONDS = 10.0
_TOPIC = ConfigResourceType.TOPIC


class KafkaClient:
    """A client of the broker that the services use; `prefix` is the installation's topic prefix."""

    def __init__(self, servers: str, prefix: str) -> None:
        self._servers = servers
        self._prefix = prefix

    async def committed(self) -> dict[str, dict[TopicPartition, int]]:
        """Committed offsets (next to read) by group and partition. Raises KafkaError, OSError or TimeoutError."""
        async with asyncio.timeout(_SECONDS), _admin(self._servers) as admin:
            groups = [name for name, _ in await admin.list_consumer_groups() if name not in _NOT_OURS]
            found = [await admin.list_consumer_group_offsets(group) for group in groups]
        offsets = (
            {partition: entry.offset for partition, entry in offsets.items() if entry.offset >= 0} for offsets in found
        )
        return {
            group.removeprefix(self._prefix): by_partition
            for group, by_partition in zip(groups, offsets, strict=True)
            if group.startswith(self._prefix)
        }

    async def lag(self) -> dict[str, int]:
        """Lag in records by group, for the groups that have any. Raises like `committed`."""
        committed = await self.committed()
        partitions = {partition for offsets in committed.values() for partition in offsets}
        async with asyncio.timeout(_SECONDS), _reader(self._servers, partitions) as reader:
            ends = await reader.end_offsets(list(partitions)) if partitions else {}
        lags = {
            group: sum(max(0, ends[partition] - offset) for partition, offset in offsets.items())
            for group, offsets in committed.items()
        }
        return {group: lag for group, lag in lags.items() if lag}

    def rows(self, committed: Mapping[str, Mapping[TopicPartition, int]]) -> Iterable[Json]:
        for group, offsets in committed.items():
            for partition, offset in sorted(offsets.items()):
                topic = partition.topic.removeprefix(self._prefix)
                yield {"group": group, "topic": topic, "partition": partition.partition, "offset": offset}

    async def dump(self, path: Path) -> int:
        """Writes every record of every topic to `path`, one JSON line each; returns their number."""
        count = 0
        with path.open("wb") as file:
            for topic in topics():
                records = await self._records(topic_name(self._prefix, topic))
                file.writelines(orjson.dumps(_row(topic.name, record)) + b"\n" for record in records)
                count += len(records)
        return count

    async def republish(self, topic: Topic) -> int:
        """Publishes the first of several records of each key again, as a zombie producer does; returns their number."""
        name = topic_name(self._prefix, topic)
        by_key: dict[bytes | None, list[ConsumerRecord]] = {}
        for record in await self._records(name):
            by_key.setdefault(record.key, []).append(record)
        old = [records[0] for records in by_key.values() if len(records) > 1]
        producer = AIOKafkaProducer(bootstrap_servers=self._servers)
        await producer.start()
        try:
            for record in old:
                await producer.send_and_wait(name, record.value, record.key, headers=list(record.headers))
        finally:
            await producer.stop()
        return len(old)

    async def reject(self, topic: Topic, seconds: float) -> None:
        """Makes the broker reject every record of the topic as too large, an error that clients do not retry."""
        name, usual = topic_name(self._prefix, topic), topic.config()
        async with _admin(self._servers) as admin:
            await admin.alter_configs([ConfigResource(_TOPIC, name, usual | {"max.message.bytes": "1"})])
            await asyncio.sleep(seconds)
            await admin.alter_configs([ConfigResource(_TOPIC, name, usual)])

    async def _records(self, topic: str) -> list[ConsumerRecord]:
        """Every record of a topic, sorted by partition and offset."""
        found: list[ConsumerRecord] = []
        async with _reader(self._servers, ()) as reader:
            numbers = await reader._client._wait_on_metadata(topic)
            partitions = [TopicPartition(topic, number) for number in sorted(numbers)]
            reader.assign(partitions)
            await reader.seek_to_beginning(*partitions)
            ends = {partition: end for partition, end in (await reader.end_offsets(partitions)).items() if end}
            while [partition for partition, end in ends.items() if await reader.position(partition) < end]:
                for batch in (await reader.getmany(timeout_ms=500)).values():
                    found += batch
        return sorted(found, key=lambda record: (record.partition, record.offset))


def _row(topic: str, record: ConsumerRecord) -> Json:
    return {
        "topic": topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp,
        "key": None if record.key is None else record.key.decode("utf-8", "replace"),
        "headers": {name: value.decode("utf-8", "replace") for name, value in record.headers},
        "value": _value(record.value or b""),
    }


def _value(body: bytes) -> Any:
    """The JSON bytes unchanged, so that numbers stay exact; other values as base64."""
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError:
        return {"base64": base64.b64encode(body).decode()}
    return orjson.Fragment(body.replace(b"\r", b" ").replace(b"\n", b" "))


@asynccontextmanager
async def _admin(servers: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


@asynccontextmanager
async def _reader(servers: str, partitions: Iterable[TopicPartition]) -> AsyncIterator[AIOKafkaConsumer]:
    reader = AIOKafkaConsumer(bootstrap_servers=servers, enable_auto_commit=False, auto_offset_reset="earliest")
    try:
        await reader.start()
        if found := list(partitions):
            reader.assign(found)
        yield reader
    finally:
        await reader.stop()


UNREACHABLE = (KafkaError, OSError, TimeoutError)
