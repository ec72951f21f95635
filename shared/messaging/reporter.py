"""What is told about records: counters, and the one hop that each of them ends with. No personal data passes here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache

from shared.messaging.producer import Producer
from shared.messaging.record import Record, Result, Route, Unreadable
from shared.messaging.topics import TRACE
from shared.messaging.trace import Hop
from shared.runtime.clock import Clock
from shared.runtime.logging import masked
from shared.runtime.metrics import ServiceMetrics

# Outcomes by which an event left its mark behind this service.
_OUT = frozenset(("applied", "published"))
# A reason is a sentence; what a vendor puts into one can be long.
_DETAIL_CHARACTERS = 500


class Reporter:
    """Counts and traces for one consumer. `traced` False keeps hops to itself, as for the journal."""

    def __init__(
        self, service: str, metrics: ServiceMetrics, producer: Producer, clock: Clock, *, traced: bool
    ) -> None:
        self._service = service
        self._metrics = metrics
        self._producer = producer
        self._clock = clock
        self._traced = traced
        # Looking a labelled metric up costs as much as all the rest of a record's end.
        self._outcome = lru_cache(lambda entity, outcome: metrics.outcomes.labels(entity=entity, outcome=outcome))
        self._latency = lru_cache(lambda entity: metrics.latency_seconds.labels(entity=entity))

    def taken(self, entity: str, count: int) -> None:
        self._metrics.events_in.labels(entity=entity).inc(count)

    def failed(self, entity: str, label: str) -> None:
        """One try failed; `label` is of the metric's closed vocabulary."""
        self._metrics.events_failed.labels(entity=entity, reason=label).inc()

    def buried(self, entity: str) -> None:
        self._metrics.dead_letters.labels(entity=entity).inc()

    def ended(self, route: Route, records: Sequence[Record], result: Result, started_at: datetime) -> None:
        """The handler is done with these records: the last one got `result`, it supersedes those before it."""
        now = self._clock.now()
        last = records[-1]
        if len(records) > 1:
            older = Result("superseded", "", result.order_number, result.shopify_id, result.heartland_id)
            for record in records[:-1]:
                self._end(route, record, older, started_at, now)
        self._end(route, last, result, started_at, now)
        if result.outcome == "applied":
            age = (now - last.envelope.time).total_seconds()
            self._latency(route.entity).observe(max(age, 0.0))
        if result.outcome in _OUT:
            self._metrics.events_out.labels(entity=route.entity).inc()

    def tried(self, route: Route, record: Record, detail: str, started_at: datetime) -> None:
        """The record did not work out and is tried again: no end yet, but part of its story."""
        self._hop(route, record, Result("retrying", detail), started_at, self._clock.now())

    def _end(self, route: Route, record: Record, result: Result, started_at: datetime, now: datetime) -> None:
        self._outcome(route.entity, result.outcome).inc()
        self._hop(route, record, result, started_at, now)

    def _hop(self, route: Route, record: Record, result: Result, started_at: datetime, now: datetime) -> None:
        # A hop about a hop would be traced again, without end.
        if not self._traced or route.topic == TRACE:
            return
        envelope = record.envelope
        self._producer.trace(
            Hop(
                event_id=envelope.id,
                trace_id=envelope.trace_id,
                connection=envelope.connection,
                entity=route.entity,
                key=envelope.subject,
                service=self._service,
                outcome=result.outcome,
                attempts=record.attempts,
                source_time=result.source_time or envelope.time,
                started_at=started_at,
                finished_at=now,
                order_number=result.order_number,
                shopify_id=result.shopify_id,
                heartland_id=result.heartland_id,
                detail=masked(result.detail)[:_DETAIL_CHARACTERS],
                lineage=result.lineage,
            )
        )

    def unreadable(self, route: Route, record: Unreadable) -> None:
        """A record without a readable envelope went to the dead letters. Its hop says what could be read."""
        self._outcome(route.entity, "dead_letter").inc()
        if not self._traced or route.topic == TRACE:
            return
        now = self._clock.now()
        named = {name: value.decode("utf-8", "replace") for name, value in record.headers}
        self._producer.trace(
            Hop(
                event_id=named.get("ce_id") or f"{record.topic}:{record.partition}:{record.offset}",
                trace_id="",
                connection=named.get("x-connection", ""),
                entity=route.entity,
                key=named.get("ce_subject", ""),
                service=self._service,
                outcome="dead_letter",
                started_at=now,
                finished_at=now,
                detail=masked(record.reason)[:_DETAIL_CHARACTERS],
            )
        )
