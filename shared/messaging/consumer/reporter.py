"""Metrics, hops and alerts about records. No personal data passes here."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from functools import lru_cache

from shared.canonical.alert import Alert, Severity
from shared.errors import TargetDown
from shared.messaging.dead_letters.writer import DeadLetterCause
from shared.messaging.envelope import header_text
from shared.messaging.kafka.producer import Producer
from shared.messaging.record import Record, Result, Route, Unreadable
from shared.messaging.topics import TRACE
from shared.messaging.trace import Hop
from shared.runtime.clock import Clock
from shared.runtime.logging import masked
from shared.runtime.metrics import ServiceMetrics

# Outcomes of events that had an effect: written to a vendor, or published.
CARRIED_OUT = frozenset(("applied", "published"))
# A reason is a sentence; what a vendor puts into one can be long.
_DETAIL_CHARACTERS = 500


class Reporter:
    """Counts and traces for one consumer."""

    def __init__(self, service: str, metrics: ServiceMetrics, producer: Producer, clock: Clock) -> None:
        self._service = service
        self._metrics = metrics
        self._producer = producer
        self._clock = clock
        # Looking up a labelled metric costs as much as everything else at the end of a record.
        self._outcome = lru_cache(lambda entity, outcome: metrics.outcomes.labels(entity=entity, outcome=outcome))
        self._latency = lru_cache(lambda entity: metrics.latency_seconds.labels(entity=entity))
        self._in = lru_cache(lambda entity: metrics.events_in.labels(entity=entity))
        self._out = lru_cache(lambda entity: metrics.events_out.labels(entity=entity))

    def taken(self, entity: str, count: int) -> None:
        self._in(entity).inc(count)

    async def flush(self) -> None:
        """Send hops and alerts before the service stops, if the broker answers."""
        with suppress(TargetDown):
            await self._producer.flush()

    def failed(self, entity: str, label: str) -> None:
        """Count a failed attempt; `label` is one of the metric's fixed reasons."""
        self._metrics.events_failed.labels(entity=entity, reason=label).inc()

    def dead_lettered(self, route: Route, record: Record | Unreadable, cause: DeadLetterCause) -> None:
        """Count a dead letter and raise an alert: an operator must deal with it."""
        self._metrics.dead_letters.labels(entity=route.entity).inc()
        connection, key = _aggregate_of(record)
        place = f"{record.topic}:{record.partition}:{record.offset}"
        self._alert("dead_letter", route, connection, key or place, masked(cause.reason), origin=place)

    def halted(self, route: Route, record: Record, reason: str) -> None:
        """Raise an alert: the key is halted, and its later records wait behind."""
        self._alert("key_halted", route, *_aggregate_of(record), masked(reason), severity="critical")

    def key_resumed(self, route: Route, connection: str, key: str) -> None:
        """Resolve the alert of a halted key: its records are processed again."""
        self._alert("key_halted", route, connection, key, "its events are processed again", resolved=True)

    def loop_suspected(self, route: Route, record: Record, reason: str) -> None:
        """Raise an alert: the key is written in a loop."""
        self._alert("loop_suspected", route, *_aggregate_of(record), reason, severity="critical")

    def log_lost(self, route: Route, topic: str, number: int, reason: str) -> None:
        """Raise an alert: the partition has lost records.

        One alert per topic: partitions are usually lost together.
        """
        self._alert("log_lost", route, "", topic, f"partition {number}: {reason}", severity="critical")

    def too_many_dead_letters(self, route: Route, reason: str) -> None:
        self._alert("too_many_dead_letters", route, "", "", masked(reason), severity="critical")

    def dead_letters_normal(self, route: Route) -> None:
        """Resolve the alert about too many dead letters."""
        self._alert("too_many_dead_letters", route, "", "", "dead letters are few", resolved=True)

    def _alert(
        self,
        kind: str,
        route: Route,
        connection: str,
        key: str,
        reason: str,
        *,
        severity: Severity = "warning",
        resolved: bool = False,
        **details: str,
    ) -> None:
        alert = Alert(
            kind=kind,
            connection=connection,
            entity=route.entity,
            key=key,
            service=self._service,
            severity=severity,
            reason=reason[:_DETAIL_CHARACTERS],
            at=self._clock.now(),
            details=details,
            resolved=resolved,
        )
        self._producer.alert(alert)

    def ended(self, route: Route, records: Sequence[Record], result: Result, started_at: datetime) -> None:
        """Record the end of these records: the last one has `result` and supersedes those before it."""
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
        if result.outcome in CARRIED_OUT:
            self._out(route.entity).inc()

    def tried(self, route: Route, record: Record, detail: str, started_at: datetime) -> None:
        """Add a `retrying` hop: the attempt failed and is repeated."""
        self._hop(route, record, Result("retrying", detail), started_at, self._clock.now())

    def _end(self, route: Route, record: Record, result: Result, started_at: datetime, now: datetime) -> None:
        self._outcome(route.entity, result.outcome).inc()
        self._hop(route, record, result, started_at, now)

    def _hop(self, route: Route, record: Record, result: Result, started_at: datetime, now: datetime) -> None:
        # A hop about a trace record would be a trace record itself, without end.
        if route.topic == TRACE:
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
        """Record that an unreadable record is a dead letter. Its hop has what could be read."""
        self._outcome(route.entity, "dead_letter").inc()
        if route.topic == TRACE:
            return
        now = self._clock.now()
        named = {name: header_text(value) for name, value in record.headers}
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


def _aggregate_of(record: Record | Unreadable) -> tuple[str, str]:
    """Connection and aggregate, as far as they can be read."""
    if isinstance(record, Record):
        return record.envelope.connection, record.envelope.subject
    named = {name: header_text(value) for name, value in record.headers}
    return named.get("x-connection", ""), named.get("ce_subject", "")
