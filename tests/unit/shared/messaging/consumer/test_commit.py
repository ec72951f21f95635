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


class Harness:
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
    harness = Harness()
    harness.finish(5, 6)

    await harness.committer.commit()
    await harness.committer.commit()
    assert harness.committed == [7]
    assert harness.producer.flushed_before == [0]
    assert harness.producer.patience == [5.0]

    harness.finish(7)
    await harness.committer.commit()
    assert harness.committed == [7, 8]


async def test_while_hops_cannot_be_sent_nothing_is_committed() -> None:
    harness = Harness()
    harness.finish(5)
    harness.producer.down = True

    with capture_logs() as logs:
        await harness.committer.commit()
    assert harness.committed == []
    assert [entry["log_level"] for entry in logs] == ["warning"]

    harness.producer.down = False
    await harness.committer.commit()
    assert harness.committed == [6]


async def test_a_failed_commit_is_made_up_for() -> None:
    harness = Harness()
    harness.finish(5)

    def fail() -> None:
        raise KafkaError("not the coordinator")

    harness.kafka.during = fail
    await harness.committer.commit()
    assert harness.committed == []

    harness.kafka.during = lambda: None
    await harness.committer.commit()
    assert harness.committed == [6]


async def test_a_commit_that_never_ends_lets_go(monkeypatch: pytest.MonkeyPatch) -> None:
    harness = Harness()
    harness.finish(5)
    monkeypatch.setattr(commit, "_COMMIT_SECONDS", 0.01)

    async def hang(offsets: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(harness.kafka, "commit", hang)
    await harness.committer.commit()
    monkeypatch.undo()

    await harness.committer.commit()
    assert harness.committed == [6]


def test_a_rebalance_does_not_wait_for_a_broker_that_is_away() -> None:
    assert (commit._COMMIT_SECONDS, commit._FLUSH_SECONDS) == (10.0, 5.0)


async def test_an_assignment_that_ends_while_hops_are_sent_commits_nothing() -> None:
    harness = Harness()
    harness.finish(5)
    harness.producer.during = harness.assign

    await harness.committer.commit()

    assert harness.committed == []


async def test_what_an_assignment_committed_at_its_end_is_not_taken_as_the_next_ones() -> None:
    harness = Harness()
    harness.finish(5)
    harness.kafka.during = harness.assign
    await harness.committer.commit()
    harness.kafka.during = lambda: None

    harness.finish(5)
    await harness.committer.commit()

    assert harness.committed == [6, 6]


async def test_what_the_broker_has_is_not_committed_again() -> None:
    harness = Harness()
    harness.lanes.start_at(PLACE, 5)
    harness.committer.known(PLACE, 5)

    await harness.committer.commit()
    assert harness.committed == []

    harness.finish(5)
    await harness.committer.commit()
    harness.committer.known(PLACE, 5)
    await harness.committer.commit()
    assert harness.committed == [6]


async def test_a_new_assignment_forgets_what_was_committed() -> None:
    harness = Harness()
    harness.finish(5)
    await harness.committer.commit()

    harness.committer.forget()
    await harness.committer.commit()

    assert harness.committed == [6, 6]


async def test_two_who_commit_at_once_commit_once() -> None:
    harness = Harness()
    harness.finish(5)

    await asyncio.gather(harness.committer.commit(), harness.committer.commit())

    assert harness.committed == [6]
