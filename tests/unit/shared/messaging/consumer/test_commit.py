"""Offsets move to where everything before is finished, and never on behalf of an assignment that is over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from structlog.testing import capture_logs

from shared.messaging.consumer import commit
from shared.messaging.consumer.commit import Committer
from shared.messaging.lanes.lanes import Lanes
from tests.support.messaging import SentRecords, a_record

PLACE = ("orders", 0)


class FakeKafka:
    """`during` is called while a commit is under way; it may raise."""

    def __init__(self) -> None:
        self.commits: list[dict[TopicPartition, int]] = []
        self.during: Callable[[], Any] = lambda: None

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        self.during()
        self.commits.append(dict(offsets))


class Flushing(SentRecords):
    def __init__(self, kafka: FakeKafka) -> None:
        super().__init__()
        self._kafka = kafka
        self.flushed_before: list[int] = []
        self.patience: list[float] = []
        self.during: Callable[[], Any] = lambda: None

    async def flush(self, timeout_seconds: float = 10.0) -> None:
        self.during()
        self.patience.append(timeout_seconds)
        self.flushed_before.append(len(self._kafka.commits))
        await super().flush(timeout_seconds)


class Bench:
    def __init__(self) -> None:
        self.kafka = FakeKafka()
        self.producer = Flushing(self.kafka)
        self.lanes = Lanes({"orders": False}, concurrency=9, max_records=99, max_bytes=10**6)
        log = structlog.get_logger()
        self.committer = Committer(self.kafka, self.lanes, self.producer, log)  # type: ignore[arg-type]
        self.assign()

    def assign(self) -> None:
        self.lanes.assign([PLACE])
        self.lanes.open()

    def finish(self, *offsets: int) -> None:
        for offset in offsets:
            self.lanes.add(a_record(f"k{offset}", offset))
            work = self.lanes.next()
            assert work is not None
            self.lanes.finish(work)

    @property
    def committed(self) -> list[int]:
        assert all(list(one) == [TopicPartition("orders", 0)] for one in self.kafka.commits)
        return [one[TopicPartition("orders", 0)] for one in self.kafka.commits]


async def test_what_moved_is_committed_once_after_the_hops_are_with_the_broker() -> None:
    bench = Bench()
    bench.finish(5, 6)

    await bench.committer.commit()
    await bench.committer.commit()
    assert bench.committed == [7]
    assert bench.producer.flushed_before == [0]
    assert bench.producer.patience == [5.0]

    bench.finish(7)
    await bench.committer.commit()
    assert bench.committed == [7, 8]


async def test_while_hops_cannot_be_sent_nothing_is_committed() -> None:
    bench = Bench()
    bench.finish(5)
    bench.producer.down = True

    with capture_logs() as logs:
        await bench.committer.commit()
    assert bench.committed == []
    assert [entry["log_level"] for entry in logs] == ["warning"]

    bench.producer.down = False
    await bench.committer.commit()
    assert bench.committed == [6]


async def test_a_failed_commit_is_made_up_for() -> None:
    bench = Bench()
    bench.finish(5)

    def fail() -> None:
        raise KafkaError("not the coordinator")

    bench.kafka.during = fail
    await bench.committer.commit()
    assert bench.committed == []

    bench.kafka.during = lambda: None
    await bench.committer.commit()
    assert bench.committed == [6]


async def test_a_commit_that_never_ends_lets_go(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    bench.finish(5)
    monkeypatch.setattr(commit, "_COMMIT_SECONDS", 0.01)

    async def hang(offsets: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(bench.kafka, "commit", hang)
    await bench.committer.commit()
    monkeypatch.undo()

    await bench.committer.commit()
    assert bench.committed == [6]


def test_a_rebalance_does_not_wait_for_a_broker_that_is_away() -> None:
    assert (commit._COMMIT_SECONDS, commit._FLUSH_SECONDS) == (10.0, 5.0)


async def test_an_assignment_that_ends_while_hops_are_sent_commits_nothing() -> None:
    bench = Bench()
    bench.finish(5)
    bench.producer.during = bench.assign

    await bench.committer.commit()

    assert bench.committed == []


async def test_what_an_assignment_committed_at_its_end_is_not_taken_as_the_next_ones() -> None:
    bench = Bench()
    bench.finish(5)
    bench.kafka.during = bench.assign
    await bench.committer.commit()
    bench.kafka.during = lambda: None

    bench.finish(5)
    await bench.committer.commit()

    assert bench.committed == [6, 6]


async def test_what_the_broker_has_is_not_committed_again() -> None:
    bench = Bench()
    bench.lanes.start_at(PLACE, 5)
    bench.committer.known(PLACE, 5)

    await bench.committer.commit()
    assert bench.committed == []

    bench.finish(5)
    await bench.committer.commit()
    bench.committer.known(PLACE, 5)
    await bench.committer.commit()
    assert bench.committed == [6]


async def test_a_new_assignment_forgets_what_was_committed() -> None:
    bench = Bench()
    bench.finish(5)
    await bench.committer.commit()

    bench.committer.forget()
    await bench.committer.commit()

    assert bench.committed == [6, 6]


async def test_two_who_commit_at_once_commit_once() -> None:
    bench = Bench()
    bench.finish(5)

    await asyncio.gather(bench.committer.commit(), bench.committer.commit())

    assert bench.committed == [6]
