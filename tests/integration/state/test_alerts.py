"""Alerts in the table: one row per trouble, whatever is read twice or late."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.state.alerts import Alerts
from shared.state.database import Database
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
