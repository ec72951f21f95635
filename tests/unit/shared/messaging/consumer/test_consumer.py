"""The consumer's own loop, on a log in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
from aiokafka import TopicPartition
from prometheus_client import CollectorRegistry

from shared.entities.order.spec import CANONICAL_ORDER
from shared.messaging.consumer.consumer import Consumer
from shared.messaging.consumer.reporter import Reporter
from shared.messaging.consumer.work_runner import build_work_runner
from shared.messaging.dead_letters.reader import read_dead_letter
from shared.messaging.dead_letters.writer import DeadLetters
from shared.messaging.kafka import log_truncation as log_bounds
from shared.messaging.kafka.log_truncation import LogTruncated
from shared.messaging.lanes.lanes import Lanes
from shared.messaging.parking.parking import Parking
from shared.messaging.record import ConsumerOptions, Record, Result, Route
from shared.runtime.metrics import ServiceMetrics
from tests.support.clock import FakeClock
from tests.support.messaging import NOON, MemoryParked, MemoryReviews, SentRecords, an_envelope, until

PLACE = TopicPartition("orders", 0)
UNREADABLE = [("bad", b"x")]


def raw(offset: int, headers: Sequence[tuple[str, bytes | None]]) -> Any:
    return SimpleNamespace(
        topic="orders", partition=0, offset=offset, timestamp=1_000, key=b"main|1", value=b"{}", headers=headers
    )


def good(offset: int) -> Any:
    return raw(offset, an_envelope(str(offset)).headers())


class Log:
    """One partition and its only reader; what is put into `batches` is what a poll finds."""

    def __init__(self) -> None:
        self.batches: asyncio.Queue[list[Any]] = asyncio.Queue()
        self.paused: set[TopicPartition] = set()
        self.at, self.first, self.end = 0, 0, 100

    def subscribe(self, topics: Sequence[str], listener: Any) -> None:
        listener.on_partitions_assigned([PLACE])

    async def getmany(self, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[Any]]:
        return {PLACE: await self.batches.get()}

    def pause(self, *partitions: TopicPartition) -> None:
        self.paused |= set(partitions)

    def resume(self, *partitions: TopicPartition) -> None:
        self.paused -= set(partitions)

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        self.at = offsets[PLACE]

    async def position(self, partition: TopicPartition) -> int:
        return 0

    async def committed(self, partition: TopicPartition) -> int:
        return self.at

    async def beginning_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return {PLACE: self.first}

    async def end_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return {PLACE: self.end}


class Harness:
    """A consumer of four records at most, with its parts."""

    def __init__(self) -> None:
        self.log = Log()
        self.producer = SentRecords()
        clock = FakeClock(NOON)
        options = ConsumerOptions(backoff_base_seconds=0.01, backoff_cap_seconds=0.02, commit_seconds=0.01)
        metrics = ServiceMetrics("writer", CollectorRegistry())
        self.lanes = Lanes({"orders": False}, concurrency=4, max_records=4, max_bytes=10**6)
        parked, reviews = MemoryParked(), MemoryReviews()
        reporter = Reporter("writer", metrics, self.producer, clock)  # type: ignore[arg-type]
        letters = DeadLetters(self.producer, "dlq", service="writer", version="", limit=99)  # type: ignore[arg-type]
        parking = Parking(self.lanes, parked, reporter, options, clock)  # type: ignore[arg-type]
        routes = {"orders": Route(CANONICAL_ORDER, self.handle, "order", False)}
        runner = build_work_runner(
            routes,
            parking,
            parked,
            reviews,
            letters,
            reporter,
            options,
            clock,
            lambda: 0.5,  # type: ignore[arg-type]
        )
        health = SimpleNamespace(ready_when=lambda *_: None, alive_when=lambda *_: None)
        self.shell: Any = SimpleNamespace(
            metrics=metrics, clock=clock, log=structlog.get_logger(), health=health, stop=asyncio.Event()
        )
        self.consumer = Consumer(
            self.shell, self.log, routes, self.lanes, parking, runner, reporter, self.producer, options, lambda: 0.5
        )  # type: ignore[arg-type]
        self.handled: list[int] = []

    async def handle(self, records: Sequence[Record]) -> Result:
        self.handled += [record.offset for record in records]
        return Result("applied")

    async def __aenter__(self) -> Harness:
        self._run = asyncio.create_task(self.consumer.run())
        await until(lambda: self.lanes.partitions() and not self.log.paused)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.shell.stop.set()
        await self._run


async def test_a_full_partition_goes_on_when_its_unreadable_head_is_buried() -> None:
    async with Harness() as harness:
        harness.producer.down = True
        harness.log.batches.put_nowait([raw(0, UNREADABLE), *map(good, range(1, 6))])
        await until(lambda: len(harness.handled) == 5)
        assert harness.log.paused == {PLACE}

        harness.producer.down = False
        await until(lambda: not harness.log.paused)
        assert len(harness.producer.sent) == 1


async def test_a_full_partition_goes_on_when_all_of_it_was_unreadable() -> None:
    async with Harness() as harness:
        harness.log.batches.put_nowait([raw(offset, UNREADABLE) for offset in range(4)])
        await until(lambda: len(harness.producer.sent) == 4)
        await until(lambda: not harness.log.paused)


async def test_a_header_without_a_value_makes_one_dead_letter_that_can_be_read() -> None:
    headers = [*an_envelope("1").headers(), ("x-replay-count", None), ("x-note", None)]
    async with Harness() as harness:
        harness.log.batches.put_nowait([raw(0, headers), good(1)])
        await until(lambda: harness.log.at == 2)

    assert harness.handled == [1]
    ((_, key, value, kept),) = harness.producer.sent
    assert (key, value, kept[: len(headers)]) == (b"main|1", b"{}", headers)
    letter = read_dead_letter(
        "writer", SimpleNamespace(partition=0, offset=0, timestamp=0, key=key, headers=kept, value=value)
    )
    assert (letter.reason, letter.subject, letter.replays) == ("a header has no value", "1", 0)
    assert [(hop.key, hop.outcome) for hop in harness.producer.hops] == [("1", "dead_letter"), ("1", "applied")]


async def test_a_log_that_begins_again_stops_the_service_before_anything_of_it_is_passed_over() -> None:
    harness = Harness()
    harness.log.batches.put_nowait([good(5), good(6)])
    harness.log.batches.put_nowait([good(0), good(1)])

    with pytest.raises(LogTruncated, match="orders:0: the log continues at offset 0, which was read before"):
        await asyncio.wait_for(harness.consumer.run(), 20)
    assert [(alert.kind, alert.key, alert.severity) for alert in harness.producer.alerts] == [
        ("log_lost", "orders", "critical")
    ]


async def test_batches_that_follow_each_other_with_holes_between_them_are_no_loss() -> None:
    async with Harness() as harness:
        harness.log.batches.put_nowait([good(5)])
        harness.log.batches.put_nowait([good(6)])
        harness.log.batches.put_nowait([good(9)])
        await until(lambda: harness.log.at == 10)
    assert harness.producer.alerts == []


@pytest.mark.parametrize(
    ("at", "first", "end", "said"), [(9, 0, 4, "its end was lost"), (2, 3, 9, "unread records were deleted")]
)
async def test_a_group_that_stands_outside_its_log_is_told_of_and_reads_what_there_is(
    at: int, first: int, end: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_bounds, "_TWICE_SECONDS", 0.0)
    harness = Harness()
    harness.log.at, harness.log.first, harness.log.end = at, first, end
    async with harness:
        harness.log.batches.put_nowait([good(first)])
        await until(lambda: harness.handled == [first])

    ((alert),) = harness.producer.alerts
    assert (alert.kind, alert.key) == ("log_lost", "orders")
    assert said in alert.reason


@pytest.mark.parametrize(("committed", "first", "end"), [(3, 3, 9), (9, 3, 9), (5, 3, 9), (0, 0, 0)])
def test_a_group_within_its_log_is_well(committed: int, first: int, end: int) -> None:
    assert log_bounds.defect_of(committed, first, end) == ""
