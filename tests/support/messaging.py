"""Builders and fakes around Kafka: envelopes, records, a fake producer and client, parked keys in memory."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from shared.canonical.alert import Alert
from shared.errors import Fenced, TargetDown
from shared.messaging.envelope import Envelope, Headers
from shared.messaging.record import Record
from shared.messaging.trace import Hop
from shared.state.parked import ParkedKey, ParkedRecord, Taken
from tests.support.clock import FakeClock

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def an_envelope(
    subject: str = "1001",
    *,
    id: str = "e1",  # noqa: A002
    connection: str = "main",
    body: bytes = b"{}",
) -> Envelope:
    return Envelope(
        id=id,
        source="shopify",
        type="shopify.orders/create",
        time=NOON,
        connection=connection,
        entity="order",
        subject=subject,
        body=body,
        traceparent=f"00-{'a' * 32}-{'b' * 16}-01",
    )


def a_record(
    subject: str = "1001",
    offset: int = 0,
    *,
    topic: str = "orders",
    partition: int = 0,
    connection: str = "main",
    body: bytes = b"{}",
) -> Record:
    envelope = an_envelope(subject, id=f"{topic}-{partition}-{offset}", connection=connection, body=body)
    headers = tuple(envelope.headers())
    return Record(envelope, topic, partition, offset, 1_000 + offset, 1, envelope.key, headers)


class SentRecords:
    """Fake producer: keeps what was sent and traced; `down` makes sends fail."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes | None, bytes | None, Headers]] = []
        self.hops: list[Hop] = []
        self.alerts: list[Alert] = []
        self.down = False

    async def send_raw(
        self, name: str, key: bytes | None, value: bytes | None, headers: Headers, timeout_seconds: float | None = None
    ) -> None:
        if self.down:
            raise TargetDown("Kafka is away")
        self.sent.append((name, key, value, headers))

    def trace(self, hop: Hop) -> None:
        self.hops.append(hop)

    def alert(self, alert: Alert) -> None:
        self.alerts.append(alert)

    async def flush(self, timeout_seconds: float = 10.0) -> None:
        if self.down:
            raise TargetDown("Kafka is away")

    def story(self) -> list[tuple[str, str]]:
        """Event and outcome of each hop."""
        return [(hop.event_id, hop.outcome) for hop in self.hops]


@dataclass
class _Row:
    key: ParkedKey
    records: list[ParkedRecord] = field(default_factory=list)


class MemoryParked:
    """`Parked` in memory with the same guarantees; `down` makes every call raise TargetDown."""

    def __init__(self, clock: FakeClock | None = None) -> None:
        self._clock = clock or FakeClock(NOON)
        self.rows: dict[tuple[str, str], _Row] = {}
        self.epochs: dict[tuple[str, int], int] = {}
        self.down = False
        self.refused = 0
        self._seq = 0

    def _reach(self) -> None:
        if self.down:
            self.refused += 1
            raise TargetDown("PostgreSQL is away")

    async def take(self, topic: str, partitions: Iterable[int], instance: str = "") -> Taken:
        self._reach()
        for partition in partitions:
            self.epochs[(topic, partition)] = self.epochs.get((topic, partition), 0) + 1
        wanted = set(partitions)
        keys = [row.key for row in self.rows.values() if row.key.topic == topic and row.key.partition in wanted]
        return Taken({partition: self.epochs[(topic, partition)] for partition in wanted}, keys)

    def _own(self, topic: str, partition: int, epoch: int) -> None:
        self._reach()
        if self.epochs.get((topic, partition)) != epoch:
            raise Fenced("another process owns the partition")

    async def park(self, key: ParkedKey, records: Sequence[ParkedRecord], epoch: int) -> None:
        self._own(key.topic, key.partition, epoch)
        self._add(self.rows.setdefault((key.topic, key.key), _Row(key)), records)

    def _add(self, row: _Row, records: Sequence[ParkedRecord]) -> None:
        for record in records:
            if not self._knows(record):
                self._seq += 1
                row.records.append(replace(record, seq=self._seq))

    def _knows(self, record: ParkedRecord) -> bool:
        """Another event at the same place is put aside, as its log is gone."""
        place = (record.topic, record.partition, record.offset)
        for row in self.rows.values():
            for number, there in enumerate(row.records):
                if (there.topic, there.partition, there.offset) == place:
                    if (there.key, list(there.headers)) == (record.key, list(record.headers)):
                        return True
                    row.records[number] = replace(there, offset=-(there.seq or 0))
        return False

    async def append(
        self, topic: str, key: str, records: Sequence[ParkedRecord], collapse: bool, epoch: int
    ) -> list[ParkedRecord] | None:
        self._own(topic, records[0].partition, epoch)
        row = self.rows.get((topic, key))
        if row is None:
            return None
        self._add(row, records)
        newest = max(record.offset for record in row.records) if collapse else 0
        dropped = [record for record in row.records if record.offset < newest]
        row.records = [record for record in row.records if record.offset >= newest]
        return dropped

    async def due(self, now: datetime, topic: str, partitions: Iterable[int], limit: int) -> list[ParkedKey]:
        self._reach()
        wanted = set(partitions)
        keys = [row.key for row in self.rows.values() if row.key.topic == topic and row.key.partition in wanted]
        due = [key for key in keys if key.state == "waiting" and key.next_attempt_at <= now]
        shops = {key.connection for key in due}
        return [key for shop in sorted(shops) for key in [key for key in due if key.connection == shop][:limit]]

    async def awaited(self) -> dict[str, list[ParkedKey]]:
        self._reach()
        named: dict[str, list[ParkedKey]] = {}
        for row in self.rows.values():
            if row.key.waits_for is not None and row.key.state == "waiting":
                named.setdefault(row.key.waits_for, []).append(row.key)
        return named

    async def wake(self, names: Iterable[tuple[str, str]], now: datetime) -> int:
        self._reach()
        wanted = set(names)
        woken = [
            row
            for row in self.rows.values()
            if (row.key.connection, row.key.waits_for) in wanted and row.key.state == "waiting"
        ]
        for row in woken:
            row.key = replace(row.key, next_attempt_at=now)
        return len(woken)

    async def records(self, topic: str, key: str) -> list[ParkedRecord]:
        self._reach()
        row = self.rows.get((topic, key))
        return list(row.records) if row else []

    async def release(self, key: ParkedKey, through_seq: int, epoch: int) -> bool:
        self._own(key.topic, key.partition, epoch)
        row = self.rows.get((key.topic, key.key))
        if row is None:
            return True
        row.records = [record for record in row.records if (record.seq or 0) > through_seq]
        if not row.records:
            del self.rows[(key.topic, key.key)]
            return True
        row.key = replace(row.key, attempts=0, first_failed_at=self._clock.now())
        return False

    async def failed_again(
        self,
        key: ParkedKey,
        error_class: str,
        reason: str,
        waits_for: str | None,
        next_attempt_at: datetime,
        epoch: int,
    ) -> None:
        self._own(key.topic, key.partition, epoch)
        row = self.rows[(key.topic, key.key)]
        row.key = replace(
            row.key,
            attempts=row.key.attempts + 1,
            reason=reason,
            error_class=error_class,
            waits_for=waits_for,
            next_attempt_at=next_attempt_at,
        )

    async def halt(self, key: ParkedKey, reason: str, epoch: int) -> None:
        self._own(key.topic, key.partition, epoch)
        row = self.rows[(key.topic, key.key)]
        row.key = replace(row.key, state="halted", reason=reason)

    def retry_all(self, now: datetime) -> None:
        """Restarts halted keys, as an operator does."""
        for row in self.rows.values():
            if row.key.state == "halted":
                row.key = replace(row.key, state="waiting", attempts=0, first_failed_at=now, next_attempt_at=now)

    async def count(self) -> dict[str, int]:
        self._reach()
        counts: dict[str, int] = {}
        for row in self.rows.values():
            counts[row.key.entity] = counts.get(row.key.entity, 0) + 1
        return counts


class MemoryReviews:
    """`Reviews` in memory: open ones by connection, kind, entity, key."""

    def __init__(self) -> None:
        self.opened: dict[tuple[str, str, str, str], str] = {}

    async def open(
        self, connection: str, kind: str, entity: str, key: str, title: str, advice: str, details: Any = None
    ) -> None:
        self.opened[(connection, kind, entity, key)] = title

    async def resolve(self, connection: str, entity: str, key: str, kinds: Iterable[str]) -> int:
        return sum(self.opened.pop((connection, kind, entity, key), None) is not None for kind in kinds)


class FakeBroker:
    """One topic's log, and clients that acknowledge or fail on command, for the producer's unit tests."""

    def __init__(self) -> None:
        self.log: list[bytes] = []
        self.clients: list[FakeClient] = []
        self.up = True

    async def connect(self) -> FakeClient:
        from aiokafka.errors import KafkaConnectionError

        if not self.up:
            raise KafkaConnectionError("no broker")
        client = FakeClient(self)
        self.clients.append(client)
        return client

    async def end(self, client: FakeClient) -> None:
        client.ended = True


class FakeClient:
    """Keeps what it is given until `acknowledge` or `fail`."""

    def __init__(self, broker: FakeBroker) -> None:
        self._broker = broker
        self.held: list[tuple[bytes, asyncio.Future[Any]]] = []
        self.ended = False
        self.automatic = False
        self.refusal: Exception | None = None

    async def partitions_for(self, topic: str) -> set[int]:
        return {0}

    async def send(
        self, topic: str, value: bytes | None, key: bytes | None, *, timestamp_ms: int, headers: Headers
    ) -> asyncio.Future[Any]:
        if self.refusal is not None:
            raise self.refusal
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.held.append((value or b"", future))
        if self.automatic:
            self.acknowledge()
        return future

    def acknowledge(self, count: int | None = None) -> None:
        """The broker has the first `count` records, and says so."""
        count = len(self.held) if count is None else count
        for value, future in self.held[:count]:
            self._broker.log.append(value)
            future.set_result(None)
        del self.held[:count]

    def fail(self, error: Exception, count: int | None = None) -> None:
        """The first `count` records fail for good."""
        count = len(self.held) if count is None else count
        for _, future in self.held[:count]:
            future.set_exception(error)
        del self.held[:count]


async def until(condition: Callable[[], Any], seconds: float = 20.0) -> None:
    """Waits until a condition, plain or async, holds. The only way in which a test waits."""
    async with asyncio.timeout(seconds):
        while True:
            holds = condition()
            if await holds if inspect.isawaitable(holds) else holds:
                return
            await asyncio.sleep(0.005)
