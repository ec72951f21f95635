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
# The error class of what an operator gave up: it is kept, and nothing is to become of it.
DROPPED = "Dropped"
# What says of a replay where it came from; a further replay writes its own.
_OF_REPLAYS = ("x-replay-id", "x-replay-count", "x-priority", "x-cause", "x-edited-from")


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

    def said(self, name: str) -> str:
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
        return self.said("reason")

    @property
    def origin(self) -> tuple[str, int, int]:
        """Topic on the broker, partition and offset of the record that failed."""
        return self.said("orig-topic"), int(self.said("orig-partition") or 0), int(self.said("orig-offset") or 0)

    @property
    def last_failed(self) -> datetime | None:
        """When it failed, by its service's clock; None if unknown."""
        try:
            return datetime.fromisoformat(self.said("last-failed"))
        except ValueError:
            return None

    @property
    def replays(self) -> int:
        """How often its event was replayed before."""
        count = self.said("replay-count")
        return int(count) if count.isdigit() else 0

    @property
    def is_readable(self) -> bool:
        """Whether its envelope can be read; otherwise a replay without a correction fails again."""
        return self.said("error-class") != "Unreadable"

    @property
    def is_dropped(self) -> bool:
        """Whether an operator dropped it from the parked records."""
        return self.said("error-class") == DROPPED

    @property
    def is_retriable(self) -> bool:
        """Whether the reason of its failure may be temporary."""
        return self.said("retriable") == "true"

    def original_headers(self) -> Headers:
        """The headers that the record had when it first failed."""
        return [
            (name, value) for name, value in self.headers if not name.startswith(_PREFIX) and name not in _OF_REPLAYS
        ]


def fate_of(letter: DeadLetter, fates: Mapping[str, Fate]) -> Fate:
    """The status of a dead letter. One that an operator dropped is discarded from the start: a header says so."""
    return fates.get(letter.id, Fate("discarded" if letter.is_dropped else "open"))


def whose(letter: DeadLetter) -> tuple[str, str, str]:
    """The record it belongs to: connection, entity, and the aggregate's id, or its own id without one."""
    return letter.connection, letter.entity, letter.subject or letter.id


def still_open(letters: Iterable[DeadLetter], fates: Mapping[str, Fate]) -> set[tuple[str, str, str]]:
    """Records with open dead letters, as `whose` names them."""
    return {whose(letter) for letter in letters if fate_of(letter, fates).state == "open"}


def read_dead_letter(service: str, record: ConsumerRecord) -> DeadLetter:
    at = datetime.fromtimestamp(record.timestamp / 1000, UTC)
    return DeadLetter(service, record.partition, record.offset, at, record.key, tuple(record.headers), record.value)


async def read_dead_letters(bootstrap_servers: str, prefix: str, services: Sequence[str] = ()) -> list[DeadLetter]:
    """All dead letters of these services (of all if empty) on the broker, oldest first. Raises TargetDown."""
    wanted = {topic_name(prefix, DEAD_LETTERS[name]): name for name in services or DEAD_LETTERS}
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers, request_timeout_ms=_TIMEOUT_MS)
    try:
        await consumer.start()
        places = [
            TopicPartition(topic, number)
            for topic, name in wanted.items()
            for number in range(DEAD_LETTERS[name].partitions)
        ]
        return sorted(await _read(consumer, places, wanted), key=lambda letter: letter.at)
    except (KafkaError, TimeoutError) as error:
        raise TargetDown(f"Kafka at {bootstrap_servers} does not answer: {error!r}") from error
    finally:
        await consumer.stop()


async def _read(
    consumer: AIOKafkaConsumer, places: Sequence[TopicPartition], services: dict[str, str]
) -> list[DeadLetter]:
    first, ends = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
    filled = [place for place in places if ends[place] > first[place]]
    consumer.assign(filled)
    for place in filled:
        consumer.seek(place, first[place])
    found: list[DeadLetter] = []
    while any([await consumer.position(place) < ends[place] for place in filled]):
        for place, records in (await consumer.getmany(timeout_ms=_TIMEOUT_MS)).items():
            found += [read_dead_letter(services[place.topic], record) for record in records]
    return found
