"""Stores hops, alerts and webhook counts in batches: read from Kafka, insert, commit offsets.

Inserts are idempotent, so a batch that is read again after a crash or a rebalance does no harm. Hops do not depend on
each other's order either, so there are no lanes and no parking: an unreadable record becomes a dead letter.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from services.journal.reading import INGRESS, alert_of, hop_of_raw, hops_of_trace
from shared.canonical.alert import Alert
from shared.canonical.hop import Hop
from shared.entities.spec import Source, Spec
from shared.errors import Rejected, TargetDown
from shared.limits.retry import backoff
from shared.messaging.dead_letters.writer import DeadLetterCause, DeadLetters
from shared.messaging.record import Unreadable
from shared.messaging.topics import ALERT, TRACE, Topic
from shared.runtime.service import Shell
from shared.state.alerts import Alerts
from shared.state.journal import Journal
from shared.state.webhook_counts import Place, Seen, WebhookCounts

ENTITY = "hop"
_POLL_MS = 500
_BASE_SECONDS, _CAP_SECONDS = 0.2, 10.0
Records = Mapping[TopicPartition, Sequence[ConsumerRecord]]


@dataclass(slots=True)
class Batch:
    """The content of a batch of records; `unreadable` records come with the reason."""

    hops: list[Hop] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    webhooks: dict[Place, Seen] = field(default_factory=dict)
    unreadable: list[tuple[ConsumerRecord, str]] = field(default_factory=list)

    def count(self, hop: Hop) -> None:
        """Count a webhook by its hour. Notices that no vendor sent do not count."""
        at = hop.finished_at
        if hop.service == INGRESS and hop.connection:
            place = (hop.connection, at.replace(minute=0, second=0, microsecond=0))
            self.webhooks[place] = self.webhooks.get(place, Seen(0, at)).and_one(at)


class Keeper:
    """One consumer of the journal's group.

    `topics` are keyed by their names on the broker; `raw` names the entity and the source of each raw topic.
    """

    def __init__(
        self,
        shell: Shell,
        kafka: AIOKafkaConsumer,
        topics: Mapping[str, Topic],
        raw: Mapping[Topic, tuple[Spec, Source]],
        journal: Journal,
        alerts: Alerts,
        counts: WebhookCounts,
        dead_letters: DeadLetters,
        *,
        batch_records: int,
        collect_seconds: float,
        random: Callable[[], float],
    ) -> None:
        self._shell = shell
        self._kafka = kafka
        self._topics = topics
        self._raw = raw
        self._journal = journal
        self._alerts = alerts
        self._counts = counts
        self._dead_letters = dead_letters
        self._batch_records = batch_records
        self._collect_seconds = collect_seconds
        self._random = random

    async def run(self) -> None:
        """Store batches until `stop`. Raises Misconfigured after too many dead letters in a row."""
        while not self._shell.stop.is_set():
            records = await self._poll()
            count = sum(map(len, records.values()))
            if count:
                await self._write(records)
            self._set_lag(records)
            if count < self._batch_records:
                # An insert of many hops costs about as much as an insert of one: let more arrive.
                await self._pause(self._collect_seconds)

    async def _poll(self) -> Records:
        try:
            found: Records = await self._kafka.getmany(timeout_ms=_POLL_MS, max_records=self._batch_records)
        except KafkaError as error:
            if not error.retriable:
                raise
            self._shell.log.warning("journal could not read from Kafka, trying again", error=repr(error))
            return {}
        return found

    async def _write(self, records: Records) -> None:
        """Insert the batch, send its dead letters, then commit, so that a crash only repeats the batch."""
        batch = self._read(records)
        for hops in _pages(batch.hops, self._batch_records):
            if not await self._retry_while_down(self._journal.add, hops):
                return
        if not await self._retry_while_down(self._alerts.take, batch.alerts):
            return
        if batch.webhooks and not await self._retry_while_down(self._counts.add, batch.webhooks):
            return
        for record, reason in batch.unreadable:
            if not await self._retry_while_down(self._dead_letter, record, reason):
                return
        stored = len(batch.hops) + len(batch.alerts)
        if stored:
            self._dead_letters.record_success()
        self._shell.metrics.events_in.labels(ENTITY).inc(stored + len(batch.unreadable))
        self._shell.metrics.events_out.labels(ENTITY).inc(stored)
        await self._commit(records)

    def _read(self, records: Records) -> Batch:
        batch = Batch()
        for partition, fetched in records.items():
            topic = self._topics[partition.topic]
            for record in fetched:
                try:
                    if topic is ALERT:
                        batch.alerts.append(alert_of(record.value))
                    else:
                        self._add_hop(batch, topic, record)
                except Rejected as error:
                    batch.unreadable.append((record, error.reason))
        return batch

    def _add_hop(self, batch: Batch, topic: Topic, record: ConsumerRecord) -> None:
        if topic is TRACE:
            batch.hops += hops_of_trace(record.value)
            return
        spec, source = self._raw[topic]
        hop = hop_of_raw(spec, source, record.headers, record.timestamp)
        batch.hops.append(hop)
        if source.system == "shopify" and source.webhooks:
            batch.count(hop)

    async def _dead_letter(self, record: ConsumerRecord, reason: str) -> None:
        now = self._shell.clock.now()
        letter = Unreadable(
            record.topic, record.partition, record.offset, record.timestamp, record.key, record.headers, record.value,
            reason,
        )  # fmt: skip
        await self._dead_letters.send(letter, DeadLetterCause(reason, "Rejected", 1, now, now))
        self._shell.metrics.dead_letters.labels(ENTITY).inc()
        self._shell.metrics.events_failed.labels(ENTITY, "rejected").inc()
        self._shell.log.warning("dead letter", topic=record.topic, offset=record.offset, reason=reason)

    async def _retry_while_down(self, store: Callable[..., Awaitable[None]], *args: object) -> bool:
        """Call `store` until the database or broker is up. False if `stop` came before it succeeded."""
        attempt = 0
        while not self._shell.stop.is_set():
            try:
                await store(*args)
            except TargetDown as error:
                attempt += 1
                self._shell.metrics.events_failed.labels(ENTITY, "target_down").inc()
                self._shell.log.warning("journal batch not stored, trying again", reason=error.reason, attempts=attempt)
                await self._pause(backoff(attempt, _BASE_SECONDS, _CAP_SECONDS, self._random))
            else:
                return True
        return False

    async def _commit(self, records: Records) -> None:
        ends = {partition: batch[-1].offset + 1 for partition, batch in records.items() if batch}
        try:
            await self._kafka.commit(ends)
        except (CommitFailedError, IllegalStateError):
            # Another replica owns the partitions now and stores the batch again, which changes nothing.
            self._shell.log.info("offsets not committed: the consumer group was rebalanced")
        except KafkaError as error:
            if not error.retriable:
                raise
            self._shell.log.warning("offsets not committed, trying again with the next batch", error=repr(error))

    def _set_lag(self, records: Records) -> None:
        """Set the lag metrics to what the broker holds beyond this batch; 0 for a partition without records."""
        behind = dict.fromkeys(self._topics, 0)
        age = dict.fromkeys(self._topics, 0.0)
        now = self._shell.clock.now().timestamp()
        for partition, batch in records.items():
            unread = (self._kafka.highwater(partition) or 0) - batch[-1].offset - 1
            if unread > 0:
                behind[partition.topic] += unread
                age[partition.topic] = max(age[partition.topic], now - batch[-1].timestamp / 1000)
        for name, topic in self._topics.items():
            self._shell.metrics.lag_messages.labels(topic.name).set(behind[name])
            self._shell.metrics.lag_seconds.labels(topic.name).set(age[name])

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._shell.stop.wait(), seconds)
        except TimeoutError:
            return


def _pages(hops: list[Hop], size: int) -> Iterator[list[Hop]]:
    """Split hops into inserts of limited size, since one Kafka record may hold many."""
    return (hops[at : at + size] for at in range(0, len(hops), size))
