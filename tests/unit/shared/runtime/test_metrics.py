from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest

from shared.runtime.metrics import ServiceMetrics


def test_two_services_in_one_process_count_apart() -> None:
    one = ServiceMetrics("ingress", CollectorRegistry())
    other = ServiceMetrics("journal", CollectorRegistry())

    one.events_in.labels("order").inc()

    assert one.registry.get_sample_value("tillbridge_events_in_total", {"entity": "order"}) == 1
    assert other.registry.get_sample_value("tillbridge_events_in_total", {"entity": "order"}) is None


def test_build_and_memory_are_shown() -> None:
    text = generate_latest(ServiceMetrics("ingress", CollectorRegistry()).registry).decode()

    assert "tillbridge_build_info{" in text
    assert 'service="ingress"' in text
    assert "process_resident_memory_bytes" in text
