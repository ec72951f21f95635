"""All metrics of all services with their units. Labels are never keys, ids or free text.

`entity`, `system`, `operation`, `connection` and `topic` are small closed sets of the installation.
"""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

_PREFIX = "tillbridge"
# Calls to the vendors: from a local sandbox's milliseconds to the timeouts of 30-60 s.
_CALL_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
# Source time to done: from a quick webhook to what waited out a night.
_LATENCY_SECONDS = (0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30, 60, 300, 1800, 7200, 43200)


class ServiceMetrics:
    """The metrics of one service in one registry of its own, so that several can live in one process."""

    def __init__(self, service: str, registry: CollectorRegistry) -> None:
        self.registry = registry

        # Which software this is; always 1. `service` names the process on every dashboard.
        self.build_info = self._gauge("build_info", "What runs here", "service", "version", "python")
        self.build_info.labels(service, _version(), platform.python_version()).set(1)

        self._define_events()
        self._define_consumer()
        self._define_vendors()
        self._define_drift()
        self._define_process()

    def _define_events(self) -> None:
        # Events received (ingress: requests; poller: rows; consumers: records). By every service.
        self.events_in = self._counter("events_in", "Events received", "entity")
        # Events handed on or carried out: acknowledged by the broker or by the vendor. By every service.
        self.events_out = self._counter("events_out", "Events handed on", "entity")
        # Events that did not go through, by a small closed vocabulary: bad_signature, not_json, ... by ingress;
        # rejected, review, waiting, target_down, retry, loop by the consumer loop; unread by the reconciler.
        self.events_failed = self._counter("events_failed", "Events that failed, by reason", "entity", "reason")
        # How events ended, by the outcomes of the trace. By the consumer loop.
        self.outcomes = self._counter("outcomes", "Events by how they ended", "entity", "outcome")
        # Events written to the dead letters. By the consumer loop.
        self.dead_letters = self._counter("dead_letters", "Events that can never work", "entity")

        # From the source's own time of the change to done, seconds. By the consumer loop.
        self.latency_seconds = self._histogram(
            "latency_seconds", "From the change at its source to done", _LATENCY_SECONDS, "entity"
        )

    def _define_consumer(self) -> None:
        # Keys that are being worked on or wait in memory. By the consumer loop.
        self.lanes = self._gauge("lanes", "Keys in work or waiting in memory")
        # Keys that wait in PostgreSQL. By the consumer loop.
        self.parked = self._gauge("parked", "Keys parked in the database", "entity")
        # Records between the committed offset and the end of the topic. By the consumer loop.
        self.lag_messages = self._gauge("lag_messages", "Records not yet done", "topic")
        # Age of the oldest record not yet done, seconds. By the consumer loop.
        self.lag_seconds = self._gauge("lag_seconds", "Age of the oldest record not yet done", "topic")

    def _define_vendors(self) -> None:
        # Calls to the vendors by operation and outcome (ok, refused, unknown, down, a status). By the clients.
        self.api_calls = self._counter("api_calls", "Calls to a vendor", "system", "operation", "outcome")
        # How long they took, seconds. By the clients.
        self.api_seconds = self._histogram(
            "api_seconds", "Duration of calls to a vendor", _CALL_SECONDS, "system", "operation"
        )
        # Effects sent without a known outcome that wait for their look-up. By the writers.
        self.in_doubt = self._gauge("in_doubt", "Effects whose outcome is not known", "system")
        # Requests that wait for a vendor's rate limit. Written by the rate limits.
        self.budget_waiting = self._gauge("budget_waiting", "Requests waiting for a rate limit", "system", "priority")
        # How long they waited, seconds, without those that went at once. Written by the rate limits.
        self.budget_wait_seconds = self._histogram(
            "budget_wait_seconds",
            "Wait for a vendor's rate limit",
            _CALL_SECONDS,
            "system",
            "priority",
        )
        # Throttled responses (429, THROTTLED), of those in api_calls. Written by the clients.
        self.throttled = self._counter("throttled", "Responses that said we exceeded the rate limit", "system")
        # 0 closed, 1 half-open, 2 open. Written by the circuit breakers.
        self.breaker_state = self._gauge("breaker_state", "State of the circuit breaker", "connection", "system")

    def _define_drift(self) -> None:
        # Differences between both systems, as passes see them. By the reconciler.
        self.drift_found = self._counter("drift_found", "Differences seen", "entity", "kind")
        # Those it sent through the pipeline again. By the reconciler.
        self.drift_repaired = self._counter("drift_repaired", "Differences sent through again", "entity", "kind")
        # Differences that are not over, by state: open, repairing, review, ignored. By the reconciler.
        self.drift_rows = self._gauge("drift_rows", "Differences not over", "connection", "entity", "kind", "state")
        # Money in differences that are not over and not ignored. By the reconciler.
        self.drift_at_risk = self._gauge(
            "drift_at_risk", "Money at risk in differences", "connection", "subject", "currency"
        )
        # When the last pass ended, seconds since 1970 UTC, and how long it took, seconds. By the reconciler.
        self.drift_passed_at = self._gauge("drift_passed_at", "End of the last comparison", "connection", "subject")
        self.drift_pass_seconds = self._gauge(
            "drift_pass_seconds", "Time of the last comparison", "connection", "subject"
        )

    def _define_process(self) -> None:
        # The worst delay of the event loop in the last seconds. By the service shell.
        self.loop_lag_seconds = self._gauge("loop_lag_seconds", "Worst recent delay of the event loop")

        # process_resident_memory_bytes, process_cpu_seconds_total and their like.
        ProcessCollector(registry=self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"{_PREFIX}_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"{_PREFIX}_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"{_PREFIX}_{name}", text, labels, buckets=buckets, registry=self.registry)


def _version() -> str:
    try:
        return version("tillbridge")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "unknown"
