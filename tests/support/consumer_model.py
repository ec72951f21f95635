"""Simulated consumer group without Kafka: processes, one table of parked keys, handlers whose results a test sets."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry

from shared.entities.order.spec import CANONICAL_ORDER
from shared.errors import Fenced, TargetDown
from shared.messaging.consumer.lane_retry import Rest
from shared.messaging.consumer.reporter import Reporter
from shared.messaging.consumer.work_runner import build_work_runner
from shared.messaging.dead_letters.writer import DeadLetters
from shared.messaging.envelope import Headers
from shared.messaging.lanes.lane import Kind, Partition, Work
from shared.messaging.lanes.lanes import Lanes
from shared.messaging.parking.parking import Parking
from shared.messaging.record import ConsumerOptions, Record, Result, Route
from shared.runtime.metrics import ServiceMetrics
from tests.support.clock import FakeClock
from tests.support.messaging import NOON, MemoryParked, MemoryReviews, SentRecords, a_record

CONCURRENCY = 2
OPTIONS = ConsumerOptions(lane_attempts=2, park_schedule=(60.0, 300.0), max_dead_letters_in_a_row=10**6)


class DeadLetterProducer(SentRecords):
    """Dead letter producer; a dead letter that is not retriable completes its record."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    async def send_raw(
        self, name: str, key: bytes | None, value: bytes | None, headers: Headers, timeout_seconds: float | None = None
    ) -> None:
        await super().send_raw(name, key, value, headers, timeout_seconds)
        named = dict(headers)
        if named["x-dlq-retriable"] == b"false":
            partition = (named["x-dlq-orig-topic"].decode(), int(named["x-dlq-orig-partition"]))
            self._world.ends(partition, int(named["x-dlq-orig-offset"]))


@dataclass
class World:
    """Durable state: the log, the committed offsets, the parked table, and the outcome history of each key."""

    partitions: Sequence[Partition]
    collapse: bool
    log: dict[Partition, list[str]] = field(default_factory=dict)
    committed: dict[Partition, int] = field(default_factory=dict)
    # Offsets in the order in which they were completed, per key.
    history: dict[str, list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.clock = FakeClock(NOON)
        self.parked = MemoryParked(self.clock)
        self.reviews = MemoryReviews()
        self.dead_letters = DeadLetterProducer(self)
        for partition in self.partitions:
            self.log[partition] = []
            self.committed[partition] = 0

    def record(self, partition: Partition, offset: int) -> Record:
        return a_record(self.log[partition][offset], offset, topic=partition[0], partition=partition[1])

    def ends(self, partition: Partition, offset: int) -> None:
        self.history.setdefault(self.log[partition][offset], []).append(offset)

    def kept(self, key: str) -> list[int]:
        """Offsets parked for a key."""
        rows = [row for (_, name), row in self.parked.rows.items() if name == f"main|{key}"]
        return [record.offset for row in rows for record in row.records]

    def run(self, turns: int = 12) -> None:
        """Runs the event loop until tasks are blocked."""

        async def spin() -> None:
            for _ in range(turns):
                await asyncio.sleep(0)

        self.loop.run_until_complete(spin())

    def parked_of(self, partitions: set[Partition]) -> object:
        """The parked keys of these partitions with their offsets."""
        rows = [row for row in self.parked.rows.values() if (row.key.topic, row.key.partition) in partitions]
        return [(row.key, [record.offset for record in row.records]) for row in rows]


@dataclass(eq=False)
class Call:
    """A handler call that waits for its result."""

    process: Process
    records: list[Record]
    answer: asyncio.Future[Result]


class Process:
    """One group member: does what `Consumer` does, one step at a time."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.calls: list[Call] = []
        self.tasks: dict[Work, asyncio.Task[Rest | None]] = {}
        self.resting: list[Work] = []
        self.fetched: dict[Partition, int] = {}
        self.opening = False
        # Whether the broker considers it a member.
        self.belongs = False
        self._build()

    def _build(self) -> None:
        world, options = self.world, OPTIONS
        self.lanes = Lanes({"orders": world.collapse}, concurrency=CONCURRENCY, max_records=99, max_bytes=10**9)
        metrics = ServiceMetrics("writer", CollectorRegistry())
        reporter = Reporter("writer", metrics, world.dead_letters, world.clock)  # type: ignore[arg-type]
        dead_letters = DeadLetters(world.dead_letters, "dlq", service="writer", version="", limit=10**6)  # type: ignore[arg-type]
        self.parking = Parking(self.lanes, world.parked, reporter, options, world.clock)  # type: ignore[arg-type]
        routes = {"orders": Route(CANONICAL_ORDER, self._handle, "order", world.collapse)}
        self.runner = build_work_runner(
            routes,
            self.parking,
            world.parked,
            world.reviews,
            dead_letters,
            reporter,
            options,
            world.clock,
            lambda: 0.5,  # type: ignore[arg-type]
        )

    async def _handle(self, records: Sequence[Record]) -> Result:
        call = Call(self, list(records), self.world.loop.create_future())
        self.calls.append(call)
        try:
            return await call.answer
        finally:
            self.calls.remove(call)

    # Assignments.

    def assigned(self, partitions: Sequence[Partition]) -> None:
        self.belongs = True
        self.lanes.assign(partitions)
        self.fetched = {partition: self.world.committed[partition] for partition in partitions}
        self.opening = True

    def open(self) -> None:
        """Takes ownership of the partitions; does nothing while the database is down."""
        try:
            parked = self._wait_for(self.parking.load(sorted(self.lanes.partitions())))
        except TargetDown:
            return
        for key in parked:
            self.lanes.park(key)
        self.lanes.open()
        self.opening = False

    def _wait_for(self, work: object) -> list[tuple[str, str]]:
        return self.world.loop.run_until_complete(work)  # type: ignore[arg-type, no-any-return]

    def revoked(self) -> None:
        """Revocation: cancels running handlers, commits what is finished, drops the rest."""
        self.lanes.hold()
        self._cancel()
        self.commit()
        self.lanes.revoke()
        self.parking.forget()
        self.resting, self.opening = [], False

    def crash(self) -> None:
        self.belongs = False
        self._cancel()
        self.resting, self.opening, self.fetched = [], False, {}
        self._build()

    def _cancel(self) -> None:
        for task in self.tasks.values():
            task.cancel()
        self.tasks = {}
        self.world.run()

    def commit(self) -> None:
        """Commits offsets; the broker accepts them from members only."""
        if self.belongs:
            self.world.committed.update(self.lanes.positions())

    # Work.

    def fetch(self, partition: Partition, count: int, again: int = 0) -> None:
        """Reads the next `count` records, and the last `again` of the previous ones once more."""
        log = self.world.log[partition]
        start = max(self.world.committed[partition], self.fetched[partition] - again)
        end = min(len(log), self.fetched[partition] + count)
        for offset in range(start, end):
            self.lanes.add(self.world.record(partition, offset))
        self.fetched[partition] = max(end, self.fetched[partition])

    def start(self) -> Work | None:
        work = self.lanes.next()
        if work is not None:
            self.tasks[work] = self.world.loop.create_task(self.runner.run(work))
            self.settle()
        return work

    def settle(self) -> None:
        """Runs until every handler waits for a result; collects the finished ones."""
        self.world.run()
        for work in [work for work, task in self.tasks.items() if task.done()]:
            self._took(work, self.tasks.pop(work))

    def _took(self, work: Work, task: asyncio.Task[Rest | None]) -> None:
        try:
            rest = task.result()
        except Fenced:
            self.lanes.abandon(work)
            return
        if rest is None:
            self.lanes.finish(work)
        elif self.lanes.rest(work):
            self.resting.append(work)

    def wake(self) -> None:
        """Ends all retry delays."""
        while self.resting:
            self.lanes.wake(self.resting.pop())

    def look(self) -> None:
        """Polls the parked table for due keys."""
        try:
            self._wait_for(self.parking._check_due(lambda: None))
        except TargetDown:
            return

    def lost(self) -> set[Partition]:
        """Partitions that another process has taken over since."""
        epochs = self.world.parked.epochs
        return {partition for partition, epoch in self.parking._epochs.items() if epochs.get(partition) != epoch}

    def runs(self, call: Call) -> bool:
        """Whether the call is for newly read records, not parked ones."""
        return any(work.kind is Kind.RUN and work.records == call.records for work in self.tasks)
