"""Alerts in the table: one row per trouble, whatever is read twice or late."""

from __future__ import annotations

from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from shared.limits.vendor_limits import VendorLimits
from shared.runtime.metrics import ServiceMetrics
from shared.state.alerts import Alerts
from shared.state.database import Database
from tests.support.clock import FakeClock
from tests.support.journal import ALARM
from tests.support.messaging import NOON

AGAIN = ALARM.model_copy(update={"at": NOON + timedelta(minutes=1), "reason": "still"})
OVER = ALARM.model_copy(update={"at": NOON + timedelta(minutes=2), "resolved": True})
ANEW = ALARM.model_copy(update={"at": NOON + timedelta(minutes=3)})


@pytest.fixture
def alerts(db: Database) -> Alerts:
    return Alerts(db)


async def test_raised_again_it_is_the_same_alert_and_counts_up(alerts: Alerts) -> None:
    await alerts.take([ALARM, AGAIN])

    [row] = await alerts.list()
    assert (row.times, row.reason, row.opened_at, row.last_at) == (2, "still", ALARM.at, AGAIN.at)


async def test_records_read_twice_change_nothing(alerts: Alerts) -> None:
    await alerts.take([ALARM, AGAIN])
    await alerts.take([ALARM, AGAIN])

    [row] = await alerts.list()
    assert row.times == 2


async def test_what_is_over_is_resolved_and_may_open_anew(alerts: Alerts) -> None:
    await alerts.take([ALARM, OVER])
    assert await alerts.list() == []
    assert [row.state for row in await alerts.list("resolved")] == ["resolved"]

    await alerts.take([ANEW])
    [row] = await alerts.list()
    assert (row.times, row.opened_at) == (1, ANEW.at)


async def test_the_end_of_an_older_trouble_does_not_close_a_newer_one(alerts: Alerts) -> None:
    await alerts.take([ANEW, OVER])

    assert [row.kind for row in await alerts.list()] == ["breaker_open"]


async def test_connections_have_alerts_of_their_own(alerts: Alerts) -> None:
    await alerts.take([ALARM, ALARM.model_copy(update={"connection": "other"})])

    assert len(await alerts.list()) == 2
    assert [row.connection for row in await alerts.list("open", "other")] == ["other"]


async def test_only_what_is_resolved_is_forgotten(alerts: Alerts) -> None:
    await alerts.take([ALARM.model_copy(update={"key": "shopify"}), ALARM, OVER])

    assert await alerts.forget(NOON + timedelta(hours=1)) == 1
    assert [row.key for row in await alerts.list()] == ["shopify"]


async def test_a_person_closes_one_by_its_number_or_all_of_a_kind(alerts: Alerts) -> None:
    await alerts.take([ALARM.model_copy(update={"connection": name}) for name in ("a", "b", "c")])
    await alerts.take([ALARM.model_copy(update={"kind": "dead_letter"})])
    [first] = await alerts.list("open", "a")

    assert [row.id for row in await alerts.close(OVER.at, number=first.id)] == [first.id]
    assert await alerts.close(OVER.at, number=first.id) == []
    assert sorted(row.connection for row in await alerts.close(OVER.at, kind="breaker_open")) == ["b", "c"]
    assert [row.kind for row in await alerts.list()] == ["dead_letter"]
    assert {row.last_at for row in await alerts.list("resolved")} == {OVER.at}


async def test_one_service_finds_its_way_free_and_another_does_not(alerts: Alerts) -> None:
    told = [VendorLimits(ServiceMetrics(name, CollectorRegistry()), FakeClock(), service=name) for name in ("a", "b")]
    for limits, resolved in ((told[0], False), (told[1], False), (told[0], True)):
        one = limits._alert("breaker_open", "main", "shopify", "down", OVER.at if resolved else NOON, resolved=resolved)
        await alerts.take([one])

    assert [row.service for row in await alerts.list()] == ["b"]
