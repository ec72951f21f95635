"""Reads dead letters: the original record with its origin and the reason of its failure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from shared.errors import TargetDown
from shared.messaging.envelope import Headers, header_text
from shared.messaging.topics import DEAD_LETTERS, topic_name
from shared.state.dead_letter_status import Fate

_PREFIX = "x-dlq-"
_TIMEOUT_MS = 10_000
# The error class of parked records that an operator dropped: kept here, and never processed.
DROPPED = "Dropped"
# Headers that a replay adds; a further replay writes its own.
_REPLAY_HEADERS = ("x-replay-id", "x-replay-count", "x-priority", "x-cause", "x-edited-from")


@dataclass(frozen=True)
class DeadLetter:
    """`id` is permanent: `<service>:<partition>:<offset>` on the dead-letter topic."""

    service: str
    partition: int
    offset: int
    at: datetime
    key: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    body: bytes | None

    @property
    def id(self) -> str:
        return f"{self.service}:{self.partition}:{self.offset}"

    @cached_property
    def named(self) -> dict[str, str]:
        """All headers as text; the last one of repeated headers."""
        return {name: header_text(value) for name, value in self.headers}

    def own_header(self, name: str) -> str:
        """A header of the dead letter itself, e.g. `reason`; empty if absent."""
        return self.named.get(_PREFIX + name, "")

    @property
    def event_id(self) -> str:
        return self.named.get("ce_id", "")

    @property
    def connection(self) -> str:
        return self.named.get("x-connection", "")

    @property
    def entity(self) -> str:
        return self.named.get("x-entity", "")

    @property
    def subject(self) -> str:
        return self.named.get("ce_subject", "")

    @property
    def reason(self) -> str:
        return self.own_header("reason")

    @property
    def origin(self) -> tuple[str, int, int]:
        """Topic on the broker, partition and offset of the record that failed."""
        partition, offset = self.own_header("orig-partition"), self.own_header("orig-offset")
        return self.own_header("orig-topic"), int(partition or 0), int(offset or 0)

    @property
    def last_failed(self) -> datetime | None:
        """When it failed, by its service's clock; None if unknown."""
        try:
            return datetime.fromisoformat(self.own_header("last-failed"))
        except ValueError:
            return None

    @property
    def replays(self) -> int:
        """How often its event was replayed before."""
        count = self.own_header("replay-count")
        return int(count) if count.isdigit() else 0

    @property
    def is_readable(self) -> bool:
        """Whether its envelope can be read; otherwise a replay without a correction fails again."""
        return self.own_header("error-class") != "Unreadable"

    @property
    def is_dropped(self) -> bool:
        """Whether an operator dropped it from the parked records."""
        return self.own_header("error-class") == DROPPED

    @property
    def is_retriable(self) -> bool:
        """Whether the reason of its failure may be temporary."""
        return self.own_header("retriable") == "true"

    def original_headers(self) -> Headers:
        """The headers that the record had when it first failed."""
        added = {name for name, _ in self.headers if name.startswith(_PREFIX) or name in _REPLAY_HEADERS}
        return [(name, value) for name, value in self.headers if name not in added]


def fate_of(letter: DeadLetter, fates: Mapping[str, Fate]) -> Fate:
    """The status of a dead letter.

    One that an operator dropped is discarded from the start: a header says so.
    """
    return fates.get(letter.id, Fate("discarded" if letter.is_dropped else "open"))


def aggregate_of(letter: DeadLetter) -> tuple[str, str, str]:
    """The aggregate of a dead letter: connection, entity and id; without an id, the dead letter's own."""
    return letter.connection, letter.entity, letter.subject or letter.id


def still_open(letters: Iterable[DeadLetter], fates: Mapping[str, Fate]) -> set[tuple[str, str, str]]:
    """Aggregates with open dead letters, as `aggregate_of` names them."""
    return {aggregate_of(letter) for letter in letters if fate_of(letter, fates).state == "open"}


def read_dead_letter(service: str, record: ConsumerRecord) -> DeadLetter:
    at = datetime.fromtimestamp(record.timestamp / 1000, UTC)
    return DeadLetter(service, record.partition, record.offset, at, record.key, tuple(record.headers), record.value)


async def read_dead_letters(bootstrap_servers: str, prefix: str, services: Sequence[str] = ()) -> list[DeadLetter]:
    """All dead letters of these services (of all if empty) on the broker, oldest first. Raises TargetDown."""
    wanted = {topic_name(prefix, DEAD_LETTERS[name]): name for name in services or DEAD_LETTERS}
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers, request_timeout_ms=_TIMEOUT_MS)
    try:
        await consumer.start()
        partitions = [
            TopicPartition(topic, number)
            for topic, name in wanted.items()
            for number in range(DEAD_LETTERS[name].partitions)
        ]
        return sorted(await _read(consumer, partitions, wanted), key=lambda letter: letter.at)
    except (KafkaError, TimeoutError) as error:
        raise TargetDown(f"Kafka at {bootstrap_servers} does not answer: {error!r}") from error
    finally:
        await consumer.stop()


async def _read(
    consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition], services: dict[str, str]
) -> list[DeadLetter]:
    first, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
    filled = [partition for partition in partitions if ends[partition] > first[partition]]
    consumer.assign(filled)
    for partition in filled:
        consumer.seek(partition, first[partition])
    found: list[DeadLetter] = []
    while any([await consumer.position(partition) < ends[partition] for partition in filled]):
        for partition, records in (await consumer.getmany(timeout_ms=_TIMEOUT_MS)).items():
            found += [read_dead_letter(services[partition.topic], record) for record in records]
    return found
