"""Keeps the journal: whole batches from Kafka, one statement each, and the offset after it.

Adding a hop twice changes nothing, so a batch that is read again after a crash or a rebalance does no harm. That is
why this needs no lanes and no parking: what cannot be read is a dead letter, all else goes into the table.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from services.journal.reading import alert_of, hop_of_raw, hops_of_trace
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
# How the type of a notice of our own on a raw topic ends: nobody pushed it.
REPAIR = "/repair"
_POLL_MS = 500
_BASE_SECONDS, _CAP_SECONDS = 0.2, 10.0
Records = Mapping[TopicPartition, Sequence[ConsumerRecord]]


@dataclass(slots=True)
class Batch:
    """The content of a batch of records: hops, alerts, webhooks per hour, and unreadable records with the reason."""

    hops: list[Hop] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    webhooks: dict[Place, Seen] = field(default_factory=dict)
    unreadable: list[tuple[ConsumerRecord, str]] = field(default_factory=list)

    def count(self, hop: Hop) -> None:
        """Count a webhook; notices of our own do not count."""
        at = hop.finished_at
        if not hop.detail.endswith(REPAIR) and hop.connection:
            place = (hop.connection, at.replace(minute=0, second=0, microsecond=0))
            self.webhooks[place] = self.webhooks.get(place, Seen(0, at)).and_one(at)


class Keeper:
    """One member of the journal's group. `topics` are by their names on the broker; `raw` has the entity of each."""

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
        """Write until `stop`. Raises Misconfigured after too many dead letters in a row."""
        while not self._shell.stop.is_set():
            records = await self._poll()
            taken = sum(map(len, records.values()))
            if taken:
                await self._write(records)
            self._tell_lag(records)
            if taken < self._batch_records:
                # One statement for many hops costs as much as for one: wait for more.
                await self._pause(self._collect_seconds)

    async def _poll(self) -> Records:
        try:
            found: Records = await self._kafka.getmany(timeout_ms=_POLL_MS, max_records=self._batch_records)
        except KafkaError as error:
            if not error.retriable:
                raise
            self._shell.log.warning("a poll failed", error=repr(error))
            return {}
        return found

    async def _write(self, records: Records) -> None:
        """Insert, dead letters, commit: in this order, so that a crash in between only repeats."""
        batch = self._read(records)
        for hops in _pages(batch.hops, self._batch_records):
            if not await self._until_up(self._journal.add, hops):
                return
        if not await self._until_up(self._alerts.take, batch.alerts):
            return
        if batch.webhooks and not await self._until_up(self._counts.add, batch.webhooks):
            return
        for record, reason in batch.unreadable:
            if not await self._until_up(self._dead_letter, record, reason):
                return
        kept = len(batch.hops) + len(batch.alerts)
        if kept:
            self._dead_letters.interrupt()
        self._shell.metrics.events_in.labels(ENTITY).inc(kept + len(batch.unreadable))
        self._shell.metrics.events_out.labels(ENTITY).inc(kept)
        await self._commit(records)

    def _read(self, records: Records) -> Batch:
        batch = Batch()
        for place, some in records.items():
            topic = self._topics[place.topic]
            for record in some:
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

    async def _until_up(self, work: Callable[..., Awaitable[None]], *given: object) -> bool:
        """Repeat `work` while the database or the broker is down. False if the service must stop before it succeeds."""
        attempt = 0
        while not self._shell.stop.is_set():
            try:
                await work(*given)
            except TargetDown as error:
                attempt += 1
                self._shell.metrics.events_failed.labels(ENTITY, "target_down").inc()
                self._shell.log.warning("not written yet", reason=error.reason, attempts=attempt)
                await self._pause(backoff(attempt, _BASE_SECONDS, _CAP_SECONDS, self._random))
            else:
                return True
        return False

    async def _commit(self, records: Records) -> None:
        ends = {place: batch[-1].offset + 1 for place, batch in records.items() if batch}
        try:
            await self._kafka.commit(ends)
        except (CommitFailedError, IllegalStateError):
            # The partitions went to another member meanwhile: it reads them again, which changes nothing.
            self._shell.log.info("not committed: the group was rebalanced")
        except KafkaError as error:
            if not error.retriable:
                raise
            self._shell.log.warning("not committed", error=repr(error))

    def _tell_lag(self, records: Records) -> None:
        """Set the lag metrics: what the broker has beyond this batch. A partition without records has no lag."""
        behind = dict.fromkeys(self._topics, 0)
        age = dict.fromkeys(self._topics, 0.0)
        now = self._shell.clock.now().timestamp()
        for place, batch in records.items():
            more = (self._kafka.highwater(place) or 0) - batch[-1].offset - 1
            if more > 0:
                behind[place.topic] += more
                age[place.topic] = max(age[place.topic], now - batch[-1].timestamp / 1000)
        for name, topic in self._topics.items():
            self._shell.metrics.lag_messages.labels(topic.name).set(behind[name])
            self._shell.metrics.lag_seconds.labels(topic.name).set(age[name])

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._shell.stop.wait(), seconds)
        except TimeoutError:
            return


def _pages(hops: list[Hop], size: int) -> Iterator[list[Hop]]:
    """Split hops into statements of limited size, since one record holds many."""
    return (hops[at : at + size] for at in range(0, len(hops), size))
