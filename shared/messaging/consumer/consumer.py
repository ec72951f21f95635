"""The consumer: one loop polls, lanes order records by key, tasks process them, offsets are committed.

The loop always polls, also when every partition is paused: a member that does not poll is removed from its group. The
client library supports eager rebalances only, which revoke everything: then running work is drained, finished work is
committed, and the next owner reads the rest again.
"""

from __future__ import annotations

import asyncio
import random as randomness
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from shared.errors import Fenced, Rejected, TargetDown
from shared.limits.retry import backoff
from shared.messaging.consumer.commit import Committer
from shared.messaging.consumer.lag import Lag
from shared.messaging.consumer.rebalance_listener import Listener
from shared.messaging.consumer.reporter import Reporter
from shared.messaging.consumer.task_supervisor import TaskSupervisor
from shared.messaging.consumer.work_runner import WorkRunner, build_work_runner
from shared.messaging.dead_letters.writer import DeadLetters, own_version
from shared.messaging.envelope import read_envelope
from shared.messaging.kafka.clients import connect_unless_stopped, new_consumer, stop_consumer
from shared.messaging.kafka.log_truncation import LogTruncated, find_losses
from shared.messaging.kafka.producer import Producer
from shared.messaging.lanes.lane import Partition, Work
from shared.messaging.lanes.lanes import Lanes
from shared.messaging.parking.parking import Parking
from shared.messaging.record import ConsumerOptions, Handler, Record, Result, Route, Unreadable
from shared.messaging.topics import Topic, topic_name
from shared.runtime.service import Shell
from shared.state.parked import Parked
from shared.state.reviews import Reviews

__all__ = ["Consumer", "ConsumerOptions", "Handler", "Record", "Result", "Route", "open_consumer"]

_POLL_MS = 200
# Records per poll: each batch is taken in without a pause of the event loop.
_POLL_RECORDS = 500
# Units of work after which a task yields to the event loop, in case its handlers never await anything.
_YIELD_EVERY = 16
_POLL_FAILURES = 10


class Consumer:
    """One member of one group. Made by `open_consumer`; `run` does the work until the shell's `stop`."""

    def __init__(
        self,
        shell: Shell,
        kafka: AIOKafkaConsumer,
        routes: dict[str, Route],
        lanes: Lanes,
        parking: Parking,
        runner: WorkRunner,
        reporter: Reporter,
        producer: Producer,
        options: ConsumerOptions,
        random: Callable[[], float],
    ) -> None:
        self._shell = shell
        self._kafka = kafka
        self._routes = routes
        self._lanes = lanes
        self._parking = parking
        self._runner = runner
        self._reporter = reporter
        self._options = options
        self._random = random
        self._supervisor = TaskSupervisor()
        self._committer = Committer(kafka, lanes, producer, shell.log)
        self._lag = Lag(shell.metrics, kafka, lanes, parking, self._committer, routes, shell.clock)
        self._workers: set[asyncio.Task[None]] = set()
        self._opening: asyncio.Task[None] | None = None
        self._paused: set[Partition] = set()
        self._joined = False
        self._running = False
        shell.health.ready_when("consumer", lambda: self._joined)
        shell.health.alive_when("consumer", lambda: not self._supervisor.has_failed)

    async def run(self) -> None:
        """Consume until `stop`, then finish work in progress and commit.

        Raises Misconfigured, or whatever unexpected a handler raised; then nothing more is committed.
        """
        if self._shell.stop.is_set():
            return
        self._running = True
        listener = Listener(self._assigned, self._revoked, self._supervisor.fail)
        self._kafka.subscribe(topics=list(self._routes), listener=listener)
        self._supervisor.start(self._intake(), "intake")
        self._supervisor.start(self._commit_regularly(), "commit")
        self._supervisor.start(self._parking.watch(self._start_workers), "parking")
        self._supervisor.start(self._lag.watch(), "lag")
        try:
            await self._supervisor.until(self._shell.stop)
            await self._finish(self._options.drain_seconds)
            self._supervisor.check()
        finally:
            self._running = False
            await self._supervisor.dismiss()

    async def _finish(self, seconds: float) -> None:
        await self._drain(seconds)
        if not self._supervisor.has_failed:
            await self._committer.commit()

    # Intake.

    async def _intake(self) -> None:
        failures = 0
        while True:
            try:
                batches = await self._kafka.getmany(timeout_ms=_POLL_MS, max_records=_POLL_RECORDS)
            except KafkaError as error:
                failures += 1
                await self._poll_failed(error, failures)
                continue
            failures = 0
            for partition, batch in batches.items():
                self._take(partition, batch)
            if batches:
                self._start_workers()
                # While records are buffered, getmany returns without waiting: yield, so that other tasks run.
                await asyncio.sleep(0)

    async def _poll_failed(self, error: KafkaError, failures: int) -> None:
        if failures >= _POLL_FAILURES or not error.retriable:
            raise error
        self._shell.log.warning("a poll failed", error=repr(error))
        await asyncio.sleep(1.0)

    def _take(self, source: TopicPartition, batch: Sequence[ConsumerRecord]) -> None:
        partition = (source.topic, source.partition)
        if batch and self._lanes.went_back(partition, batch[0].offset):
            raise self._lost(
                source, f"the log continues at offset {batch[0].offset}, which was read before: its end was lost"
            )
        taken = sum(self._take_one(raw) for raw in batch)
        self._reporter.taken(self._routes[source.topic].entity, taken)
        if partition not in self._paused and self._lanes.is_full(partition):
            self._paused.add(partition)
            self._kafka.pause(source)

    def _lost(self, partition: TopicPartition, reason: str) -> LogTruncated:
        name = f"{partition.topic}:{partition.partition}"
        self._shell.log.error("records were lost", partition=name, reason=reason)
        self._reporter.log_lost(self._routes[partition.topic], partition.topic, partition.partition, reason)
        return LogTruncated(f"{name}: {reason}")

    def _take_one(self, raw: ConsumerRecord) -> bool:
        try:
            envelope = read_envelope(raw.headers, raw.value)
        except Rejected as error:
            return self._lanes.add_unreadable(
                Unreadable(
                    raw.topic, raw.partition, raw.offset, raw.timestamp, raw.key, raw.headers, raw.value, error.reason
                )
            )
        return self._lanes.add(
            Record(envelope, raw.topic, raw.partition, raw.offset, raw.timestamp, 1, raw.key, raw.headers)
        )

    # Working.

    def _start_workers(self) -> None:
        """Start a task for each free slot with work. A task takes the next work until there is none."""
        while self._running and (work := self._lanes.next()) is not None:
            task = self._supervisor.start(self._work(work), "worker")
            self._workers.add(task)
            task.add_done_callback(self._workers.discard)

    async def _work(self, first: Work) -> None:
        work: Work | None = first
        done = 0
        while work is not None:
            try:
                rest = await self._runner.run(work)
            except Fenced as error:
                self._fenced(work, error)
                return
            if rest is None:
                self._lanes.finish(work)
                self._resume_partitions()
            else:
                self._lanes.rest(work)
                asyncio.get_running_loop().call_later(rest.seconds, self._wake, work)
            done += 1
            if done % _YIELD_EVERY == 0:
                await asyncio.sleep(0)
            work = self._lanes.next()

    def _fenced(self, work: Work, error: Fenced) -> None:
        """Another process owns the partition: the broker should revoke it soon, otherwise the service stops."""
        self._shell.log.warning("fenced off", topic=work.key[0], error=error.reason)
        if not self._lanes.abandon(work):
            return
        epoch = self._lanes.epoch

        def check() -> None:
            if self._lanes.epoch == epoch and self._running:
                self._supervisor.fail(error)

        seconds = self._options.session_timeout_seconds + self._options.rebalance_timeout_seconds
        asyncio.get_running_loop().call_later(seconds, check)

    def _wake(self, work: Work) -> None:
        if self._lanes.wake(work):
            self._start_workers()

    def _resume_partitions(self) -> None:
        for partition in tuple(self._paused):
            if self._lanes.has_room(partition):
                self._paused.discard(partition)
                self._kafka.resume(TopicPartition(*partition))

    async def _commit_regularly(self) -> None:
        while True:
            await asyncio.sleep(self._options.commit_seconds)
            await self._committer.commit()

    # Rebalances.

    def _assigned(self, partitions: Iterable[TopicPartition]) -> None:
        """Handle a new assignment: all partitions stay paused until the parked keys are loaded. Never waits."""
        partitions = tuple(partitions)
        epoch = self._lanes.assign(_names(partitions))
        # A pause does not outlive the assignment it was made in, and nothing may arrive before `_open`.
        self._paused.clear()
        self._kafka.pause(*partitions)
        self._joined = True
        if self._running:
            self._opening = self._supervisor.start(self._open(epoch, partitions), "open")

    async def _open(self, epoch: int, partitions: Sequence[TopicPartition]) -> None:
        attempt = 0
        while self._lanes.epoch == epoch:
            try:
                parked = await self._parking.load(_names(partitions))
            except TargetDown as error:
                attempt += 1
                self._shell.log.warning("parked keys cannot be read yet", error=error.reason)
                await asyncio.sleep(backoff(attempt, self._options.backoff_base_seconds, 10.0, self._random))
                continue
            # Before the first record runs: once we commit, a loss can no longer be detected.
            for partition, reason in (await find_losses(self._kafka, partitions)).items():
                self._lost(partition, reason)
            if self._lanes.epoch == epoch:
                for key in parked:
                    self._lanes.park(key)
                self._lanes.open()
                self._kafka.resume(*partitions)
            return

    async def _revoked(self, partitions: Iterable[TopicPartition]) -> None:
        """Handle a revocation: drain and commit first, so that the next owner does not repeat finished work."""
        if not tuple(partitions):
            return
        await self._finish(self._options.handover_seconds)
        self._lanes.revoke()
        self._parking.forget()
        self._committer.forget()
        self._paused.clear()

    async def _drain(self, seconds: float) -> None:
        """Start no new work and wait for running work; cancel what takes too long."""
        if self._opening is not None:
            self._opening.cancel()  # otherwise it would start work again
        self._lanes.hold()
        if not self._workers:
            return
        _, late = await asyncio.wait(set(self._workers), timeout=seconds)
        for task in late:
            task.cancel()
        if late:
            self._shell.log.warning("work was cancelled after the time to drain", tasks=len(late))
            await asyncio.wait(late, timeout=1.0)


def _names(partitions: Iterable[TopicPartition]) -> list[Partition]:
    return [(partition.topic, partition.partition) for partition in partitions]


# Longer than most functions: wiring, one part per statement.
@asynccontextmanager
async def open_consumer(
    shell: Shell,
    *,
    group: str,
    routes: Sequence[Route],
    producer: Producer,
    parked: Parked,
    reviews: Reviews,
    dead_letters: Topic,
    options: ConsumerOptions | None = None,
    random: Callable[[], float] = randomness.random,
) -> AsyncIterator[Consumer]:
    """A connected consumer of these routes; `run` it. Waits for a broker that is not up yet, until `stop`.

    Raises Misconfigured if a topic does not exist.
    """
    options = options or ConsumerOptions()
    prefix = shell.settings.topic_prefix
    table = {topic_name(prefix, route.topic): route for route in routes}
    lanes = Lanes(
        {name: route.collapse for name, route in table.items()},
        concurrency=options.concurrency,
        max_records=options.max_records,
        max_bytes=options.max_bytes,
    )
    reporter = Reporter(shell.name, shell.metrics, producer, shell.clock)
    writer = DeadLetters(
        producer,
        topic_name(prefix, dead_letters),
        service=shell.name,
        version=own_version(),
        limit=options.max_dead_letters_in_a_row,
        share=options.dead_letter_share,
    )
    parking = Parking(lanes, parked, reporter, options, shell.clock, shell.settings.instance)
    runner = build_work_runner(table, parking, parked, reviews, writer, reporter, options, shell.clock, random)
    connected = await connect_unless_stopped(shell.stop, shell.settings, group, options, table, shell.log)
    # Stopped before a broker answered: then `run` has nothing to do.
    kafka = connected or new_consumer(shell.settings, group, options)
    try:
        yield Consumer(shell, kafka, table, lanes, parking, runner, reporter, producer, options, random)
    finally:
        await stop_consumer(kafka)
