"""The broker's side of the evidence: what is on the topics, and how far each group has committed."""

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
# Those that a system without retained messages could not have: the test of a broker's readiness.
_NOT_OURS = ("tillbridge-ready",)
_SECONDS = 10.0
_TOPIC = ConfigResourceType.TOPIC


class Log:
    """Reads the broker that the services use. Made by `open_log`."""

    def __init__(self, servers: str, prefix: str) -> None:
        self._servers = servers
        self._prefix = prefix

    async def committed(self) -> dict[str, dict[TopicPartition, int]]:
        """The next offset to read by group and partition. Raises KafkaError, OSError or TimeoutError."""
        async with asyncio.timeout(_SECONDS), _admin(self._servers) as admin:
            groups = [name for name, _ in await admin.list_consumer_groups() if name not in _NOT_OURS]
            found = [await admin.list_consumer_group_offsets(group) for group in groups]
        offsets = ({place: entry.offset for place, entry in offsets.items() if entry.offset >= 0} for offsets in found)
        return {
            group.removeprefix(self._prefix): by_place
            for group, by_place in zip(groups, offsets, strict=True)
            if group.startswith(self._prefix)
        }

    async def lag(self) -> dict[str, int]:
        """Records not yet done by group, of those groups that have any. Raises as `committed`."""
        committed = await self.committed()
        places = {place for offsets in committed.values() for place in offsets}
        async with asyncio.timeout(_SECONDS), _reader(self._servers, places) as reader:
            ends = await reader.end_offsets(list(places)) if places else {}
        lags = {
            group: sum(max(0, ends[place] - offset) for place, offset in offsets.items())
            for group, offsets in committed.items()
        }
        return {group: lag for group, lag in lags.items() if lag}

    def rows(self, committed: Mapping[str, Mapping[TopicPartition, int]]) -> Iterable[Json]:
        for group, offsets in committed.items():
            for place, offset in sorted(offsets.items()):
                topic = place.topic.removeprefix(self._prefix)
                yield {"group": group, "topic": topic, "partition": place.partition, "offset": offset}

    async def dump(self, path: Path) -> int:
        """Every record there is, one line each; how many."""
        count = 0
        with path.open("wb") as file:
            for topic in topics():
                records = await self._records(topic_name(self._prefix, topic))
                file.writelines(orjson.dumps(_row(topic.name, record)) + b"\n" for record in records)
                count += len(records)
        return count

    async def send_again(self, topic: Topic) -> int:
        """The first record of each key that has later ones, once more, as a process does that slept meanwhile."""
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

    async def refuse(self, topic: Topic, seconds: float) -> None:
        """For so long the broker takes no record of this topic: each is too large, which no client may try again."""
        name, usual = topic_name(self._prefix, topic), topic.config()
        async with _admin(self._servers) as admin:
            await admin.alter_configs([ConfigResource(_TOPIC, name, usual | {"max.message.bytes": "1"})])
            await asyncio.sleep(seconds)
            await admin.alter_configs([ConfigResource(_TOPIC, name, usual)])

    async def _records(self, topic: str) -> list[ConsumerRecord]:
        """Of all partitions side by side; sorted by partition and offset."""
        found: list[ConsumerRecord] = []
        async with _reader(self._servers, ()) as reader:
            partitions = await reader._client._wait_on_metadata(topic)
            places = [TopicPartition(topic, number) for number in sorted(partitions)]
            reader.assign(places)
            await reader.seek_to_beginning(*places)
            ends = {place: end for place, end in (await reader.end_offsets(places)).items() if end}
            while [place for place, end in ends.items() if await reader.position(place) < end]:
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
    """The JSON as it stands, its numbers exact; what is none is kept as bytes."""
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
async def _reader(servers: str, places: Iterable[TopicPartition]) -> AsyncIterator[AIOKafkaConsumer]:
    reader = AIOKafkaConsumer(bootstrap_servers=servers, enable_auto_commit=False, auto_offset_reset="earliest")
    try:
        await reader.start()
        if found := list(places):
            reader.assign(found)
        yield reader
    finally:
        await reader.stop()


AWAY = (KafkaError, OSError, TimeoutError)
