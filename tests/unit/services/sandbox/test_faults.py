"""Which fault applies, when, and how often."""

from __future__ import annotations

from random import Random

import pytest
from pydantic import ValidationError

from services.sandbox.faults import Faults


def faults(*given: dict[str, object]) -> Faults:
    switched = Faults(Random(1))
    switched.replace(given)
    return switched


def test_a_fault_affects_only_its_operation() -> None:
    switched = faults({"system": "heartland", "kind": "error_before", "operation": r"POST .*/orders$"})

    assert switched.trigger("heartland", "POST /api/sales/orders", ("error_before",))
    assert not switched.trigger("heartland", "POST /api/sales/orders/1/lines", ("error_before",))
    assert not switched.trigger("shopify", "POST /api/sales/orders", ("error_before",))


def test_a_fault_with_times_is_exhausted_after_them() -> None:
    switched = faults({"system": "shopify", "kind": "throttle", "times": 2})

    hits = [switched.trigger("shopify", "orders", ("throttle",)) is not None for _ in range(3)]

    assert hits == [True, True, False]
    assert switched.report()[0]["hits"] == 2


def test_a_rate_is_the_share_of_affected_calls() -> None:
    switched = faults({"system": "heartland", "kind": "error_after", "rate": 0.25})

    hits = sum(switched.trigger("heartland", "GET /", ("error_after",)) is not None for _ in range(2000))

    assert 400 < hits < 600


def test_concurrency_applies_only_above_its_limit() -> None:
    switched = faults({"system": "heartland", "kind": "concurrency", "limit": 2})

    assert not switched.trigger("heartland", "GET /", ("concurrency",), in_flight=2)
    assert switched.trigger("heartland", "GET /", ("concurrency",), in_flight=3)


def test_the_read_lag_is_that_of_the_fault() -> None:
    assert faults({"system": "heartland", "kind": "stale_reads", "seconds": 7}).read_lag("heartland") == 7
    assert faults().read_lag("heartland") == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"system": "heartland", "kind": "unheard_of"},
        {"system": "elsewhere", "kind": "outage"},
        {"system": "heartland", "kind": "outage", "rate": 2},
        {"system": "heartland", "kind": "outage", "operation": "("},
        {"system": "heartland", "kind": "outage", "unknown": 1},
    ],
)
def test_an_invalid_fault_is_rejected_and_changes_nothing(wrong: dict[str, object]) -> None:
    switched = faults({"system": "heartland", "kind": "slow"})

    with pytest.raises(ValidationError):
        switched.replace([wrong])
    assert [fault["kind"] for fault in switched.report()] == ["slow"]
