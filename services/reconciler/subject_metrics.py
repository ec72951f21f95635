"""Metrics of the comparison of one subject of one connection."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal

from prometheus_client import Gauge

from shared.operations.comparison.passes import Outcome
from shared.runtime.metrics import ServiceMetrics
from shared.state.drift import Drift

# States of stored differences that the metrics show; the other states are final.
SHOWN = ("open", "repairing", "review", "ignored")


class SubjectMetrics:
    """Counts what passes did, and shows the differences that are stored afterwards."""

    def __init__(self, metrics: ServiceMetrics, connection: str, subject: str) -> None:
        self._metrics = metrics
        self._connection = connection
        self._subject = subject
        self._shown: dict[Gauge, set[tuple[str, ...]]] = {}

    def record(self, outcome: Outcome, rows: Iterable[Drift]) -> None:
        """Update the metrics after a pass. `rows` are the subject's differences in the states `SHOWN`."""
        metrics = self._metrics
        metrics.events_in.labels(self._subject).inc(outcome.compared)
        metrics.events_failed.labels(self._subject, "unread").inc(len(outcome.unread))
        for row in outcome.found:
            metrics.drift_found.labels(row.entity, row.kind).inc()
        for row in outcome.repaired:
            metrics.drift_repaired.labels(row.entity, row.kind).inc()
        differences = list(rows)
        self._set(metrics.drift_rows, Counter((row.entity, row.kind, row.state) for row in differences))
        money: dict[tuple[str, ...], Decimal] = {}
        for row in differences:
            if row.state != "ignored" and row.currency:
                labels = self._subject, row.currency
                money[labels] = money.get(labels, Decimal(0)) + row.at_risk
        self._set(metrics.drift_at_risk, money)

    def passed(self, at: float, seconds: float) -> None:
        """Record the end and the duration of a pass."""
        self._metrics.drift_passed_at.labels(self._connection, self._subject).set(at)
        self._metrics.drift_pass_seconds.labels(self._connection, self._subject).set(seconds)

    def _set(self, gauge: Gauge, values: dict[tuple[str, ...], int] | dict[tuple[str, ...], Decimal]) -> None:
        for labels in self._shown.get(gauge, set()) - values.keys():
            gauge.labels(self._connection, *labels).set(0)
        for labels, value in values.items():
            gauge.labels(self._connection, *labels).set(float(value))
        self._shown[gauge] = set(values)
