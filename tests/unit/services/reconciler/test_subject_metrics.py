"""What the metrics say of the ledger."""

from __future__ import annotations

from dataclasses import replace

from prometheus_client import CollectorRegistry

from services.reconciler.subject_metrics import SubjectMetrics
from shared.operations.comparison.passes import Outcome
from shared.runtime.metrics import ServiceMetrics
from tests.unit.shared.operations.comparison.test_decide import ROW


def test_differences_are_shown_by_connection_and_vanish_when_they_are_over() -> None:
    registry = CollectorRegistry()
    metrics = ServiceMetrics("reconciler", registry)
    mine, others = SubjectMetrics(metrics, "main", "order"), SubjectMetrics(metrics, "other", "order")

    def shown(name: str, connection: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"tillbridge_{name}", {"connection": connection, **labels})

    others.record(Outcome(), [replace(ROW, connection="other")])
    mine.record(Outcome(compared=3, found=[ROW], repaired=[ROW]), [ROW, replace(ROW, state="ignored")])
    money = {"subject": "order", "currency": "USD"}
    state = {"entity": "order", "kind": "order_missing", "state": "open"}
    assert (shown("drift_rows", "main", **state), shown("drift_at_risk", "main", **money)) == (1, 40)

    mine.record(Outcome(), [])
    assert (shown("drift_rows", "main", **state), shown("drift_at_risk", "main", **money)) == (0, 0)
    assert shown("drift_rows", "other", **state) == 1
    repaired = {"entity": "order", "kind": "order_missing"}
    assert registry.get_sample_value("tillbridge_drift_repaired_total", repaired) == 1
