"""What a breaker and a budget tell: metrics, hops, alerts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from shared.canonical.alert import Alert
from shared.canonical.hop import OUTCOMES, Hop
from shared.errors import CredentialsRefused, TargetDown
from shared.limits.circuit_breaker import CLOSED, Breaker
from shared.limits.vendor_limits import VendorLimits
from shared.runtime.metrics import ServiceMetrics
from tests.support.clock import FakeClock
from tests.support.virtual_time import LoopClock, run_virtual


class Told:
    def __init__(self) -> None:
        self.hops: list[Hop] = []
        self.alerts: list[Alert] = []

    def trace(self, hop: Hop) -> None:
        self.hops.append(hop)

    def alert(self, alert: Alert) -> None:
        self.alerts.append(alert)


class Harness:
    def __init__(self, clock: Any = None) -> None:
        self.clock, self.told = clock or FakeClock(), Told()
        self.registry = CollectorRegistry()
        metrics = ServiceMetrics("heartland_writer", self.registry)
        self.limits = VendorLimits(metrics, self.clock, service="heartland_writer", tell=self.told)

    def figure(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"tillbridge_{name}", labels)


def end(breaker: Breaker, error: Exception | None) -> None:
    breaker.end(breaker.begin(), error)


@pytest.mark.parametrize(
    ("error", "kind", "severity"),
    [
        (TargetDown("Heartland cannot be reached"), "breaker_open", "warning"),
        (CredentialsRefused("Heartland does not accept the API token"), "credentials_refused", "critical"),
    ],
)
def test_an_outage_is_told_once_and_its_end_too(error: TargetDown, kind: str, severity: str) -> None:
    harness = Harness()
    breaker = harness.limits.breaker("acme", "heartland")
    for _ in range(5):
        end(breaker, error)
    harness.clock.advance(5)
    end(breaker, error)  # the probe
    harness.clock.advance(5)
    end(breaker, None)

    assert [hop.outcome for hop in harness.told.hops] == ["opened", "half_open", "opened", "half_open", "closed"]
    assert {(hop.entity, hop.key, hop.connection, hop.service) for hop in harness.told.hops} == {
        ("breaker", "heartland", "acme", "heartland_writer")
    }
    assert {hop.outcome for hop in harness.told.hops} <= set(OUTCOMES)
    assert len({hop.event_id for hop in harness.told.hops}) == 5
    raised, *ended = harness.told.alerts
    resolved = next(alert for alert in ended if alert.kind == kind)
    assert (raised.kind, raised.severity, raised.reason, raised.resolved) == (kind, severity, error.reason, False)
    assert (resolved.kind, resolved.key, resolved.resolved) == (kind, "heartland_writer/heartland", True)


def test_the_state_is_a_metric() -> None:
    harness = Harness()
    breaker = harness.limits.breaker("acme", "shopify")
    assert harness.figure("breaker_state", connection="acme", system="shopify") == 0

    for _ in range(5):
        end(breaker, TargetDown("down"))

    assert harness.figure("breaker_state", connection="acme", system="shopify") == 2


def test_who_waits_for_a_turn_is_counted() -> None:
    async def work(clock: LoopClock) -> tuple[Harness, float | None]:
        harness = Harness(clock)
        budget = harness.limits.rate_limit("acme", "heartland", 1.0, 0)
        await budget.acquire()
        waiting = asyncio.create_task(budget.acquire("repair"))
        await asyncio.sleep(0.5)
        meanwhile = harness.figure("budget_waiting", system="heartland", priority="repair")
        await waiting
        return harness, meanwhile

    harness, meanwhile = run_virtual(work)

    assert meanwhile == 1
    assert harness.figure("budget_waiting", system="heartland", priority="repair") == 0
    assert harness.figure("budget_wait_seconds_sum", system="heartland", priority="repair") == pytest.approx(
        1, abs=0.01
    )


def test_an_answer_that_refuses_our_rate_is_counted() -> None:
    harness = Harness()

    harness.limits.throttled("shopify")()

    assert harness.figure("throttled_total", system="shopify") == 1


def test_what_a_process_left_open_is_resolved_by_the_first_success_of_the_next() -> None:
    harness = Harness()
    breaker = harness.limits.breaker("acme", "heartland")
    for _ in range(3):
        end(breaker, None)

    assert [(alert.kind, alert.key, alert.resolved) for alert in harness.told.alerts] == [
        ("breaker_open", "heartland_writer/heartland", True),
        ("credentials_refused", "heartland_writer/heartland", True),
    ]
    assert harness.told.hops == []


def test_a_breaker_that_tells_nobody_works_all_the_same() -> None:
    breaker = VendorLimits(ServiceMetrics("writer", CollectorRegistry()), FakeClock()).breaker("acme", "heartland")
    end(breaker, None)

    assert breaker.state == CLOSED
