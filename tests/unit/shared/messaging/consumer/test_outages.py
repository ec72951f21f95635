from __future__ import annotations

import pytest

from shared.errors import RetryLater, TargetDown
from shared.messaging.consumer.outages import Outages, awaits, is_outage
from shared.messaging.lanes.lane import Lane


def test_an_outage_lasts_too_long_after_the_patience_and_not_before() -> None:
    outages = Outages(20.0)

    assert [outages.failed("main", "heartland", now) for now in (100.0, 119.9, 120.0)] == [False, False, True]


def test_connections_and_vendors_have_outages_of_their_own() -> None:
    outages = Outages(20.0)
    outages.failed("main", "heartland", 0.0)

    assert not outages.failed("main", "shopify", 30.0)
    assert not outages.failed("other", "heartland", 30.0)
    assert outages.down() == [("main", "heartland"), ("main", "shopify"), ("other", "heartland")]


def test_what_works_ends_the_outages_of_its_connection_alone() -> None:
    outages = Outages(20.0)
    for connection in ("main", "other"):
        outages.failed(connection, "heartland", 0.0)
    outages.succeeded("main")

    assert not outages.failed("main", "heartland", 30.0)
    assert outages.failed("other", "heartland", 30.0)


@pytest.mark.parametrize(
    ("waits_for", "answer"), [(awaits("shopify"), True), ("item:TEE", False), (None, False)], ids=str
)
def test_what_a_key_waits_for_tells_an_outage(waits_for: str | None, answer: bool) -> None:
    assert is_outage(waits_for) is answer


def test_a_trouble_is_a_records_own_once_it_has_lasted_while_others_were_answered_well() -> None:
    outages, lane = Outages(20.0), Lane(("orders", "main|1"), "main")

    def is_own(well_at: float | None, now: float) -> bool:
        error = TargetDown("HTTP 500", target="heartland", answered=True)
        error.well_at = well_at
        return outages.is_own(lane, error, now)

    assert not is_own(99.0, 100.0)
    assert not is_own(None, 150.0)
    assert not is_own(100.0, 150.0)
    assert (lane.down_since, lane.alone_since) == (100.0, None)
    assert not is_own(101.0, 200.0)
    assert not is_own(101.0, 209.9)
    assert is_own(101.0, 210.0)
    assert not is_own(None, 211.0), "a breaker's refusal says nothing of the record"
    assert (lane.down_since, lane.alone_since) == (100.0, 200.0)


@pytest.mark.parametrize(
    "error", [RetryLater("later"), TargetDown("our own database")], ids=["of the event", "no vendor"]
)
def test_what_no_vendor_does_is_no_vendors_trouble(error: RetryLater) -> None:
    lane = Lane("main|1", "main")

    assert not Outages(20.0).is_own(lane, error, 5.0)
    assert lane.down_since is None
