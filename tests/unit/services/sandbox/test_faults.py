"""Which fault strikes, when, and how often."""

from __future__ import annotations

from random import Random

import pytest
from pydantic import ValidationError

from services.sandbox.faults import Faults


def faults(*given: dict[str, object]) -> Faults:
    switched = Faults(Random(1))
    switched.replace(given)
    return switched


def test_a_fault_strikes_only_the_operation_it_names() -> None:
    switched = faults({"system": "heartland", "kind": "error_before", "operation": r"POST .*/orders$"})

    assert switched.strikes("heartland", "POST /api/sales/orders", ("error_before",))
    assert not switched.strikes("heartland", "POST /api/sales/orders/1/lines", ("error_before",))
    assert not switched.strikes("shopify", "POST /api/sales/orders", ("error_before",))


def test_a_fault_with_times_is_spent_after_them() -> None:
    switched = faults({"system": "shopify", "kind": "throttle", "times": 2})

    struck = [switched.strikes("shopify", "orders", ("throttle",)) is not None for _ in range(3)]

    assert struck == [True, True, False]
    assert switched.report()[0]["struck"] == 2


def test_a_rate_is_the_share_of_calls_that_are_struck() -> None:
    switched = faults({"system": "heartland", "kind": "error_after", "rate": 0.25})

    struck = sum(switched.strikes("heartland", "GET /", ("error_after",)) is not None for _ in range(2000))

    assert 400 < struck < 600


def test_concurrency_strikes_only_above_its_limit() -> None:
    switched = faults({"system": "heartland", "kind": "concurrency", "limit": 2})

    assert not switched.strikes("heartland", "GET /", ("concurrency",), in_flight=2)
    assert switched.strikes("heartland", "GET /", ("concurrency",), in_flight=3)


def test_the_read_lag_is_that_of_the_switch() -> None:
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
def test_a_switch_that_means_nothing_is_refused_and_changes_nothing(wrong: dict[str, object]) -> None:
    switched = faults({"system": "heartland", "kind": "slow"})

    with pytest.raises(ValidationError):
        switched.replace([wrong])
    assert [fault["kind"] for fault in switched.report()] == ["slow"]
