"""Replicas on machines with wrong clocks agree on the time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from shared.runtime.clock import SystemClock
from shared.state.database import Database
from shared.state.database_clock import DatabaseClock, database_clock, open_database_clock
from shared.state.ledger import Effect, Ledger
from tests.support.shell import a_shell

EFFECT = Effect("demo", "heartland", "order", "1", "order:create")


class Wrong(SystemClock):
    """A machine whose clock is off."""

    def __init__(self, by: timedelta) -> None:
        self._by = by

    def now(self) -> datetime:
        return super().now() + self._by


@pytest.mark.parametrize("hours", [-1, 0, 1])
async def test_a_wrong_clock_is_put_right_by_the_database(db: Database, hours: int) -> None:
    async with a_shell(clock=Wrong(timedelta(hours=hours))) as shell, open_database_clock(db, shell) as right:
        assert abs(right.clock.now() - datetime.now(UTC)) < timedelta(seconds=2)


async def test_a_command_takes_the_databases_time_too(db: Database) -> None:
    clock = await database_clock(db, Wrong(timedelta(hours=-1)))

    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=2)


async def test_when_an_effect_was_sent_is_the_same_for_every_replica(db: Database, other_db: Database) -> None:
    """A replica whose clock is an hour behind sends; one that is right takes over a second later."""
    slow, right = DatabaseClock(Wrong(timedelta(hours=-1))), DatabaseClock(SystemClock())
    for clock, database in ((slow, db), (right, other_db)):
        row = await database.fetchrow("select clock_timestamp() as now")
        assert row is not None
        clock.learn(row["now"], 0.0, 0.0)
    await Ledger(db, slow).claim(EFFECT)

    claim = await Ledger(other_db, right).claim(EFFECT)
    assert claim.state == "in_doubt"
    assert abs(right.now() - claim.sent_at) < timedelta(seconds=2)


def test_a_clock_that_is_right_is_not_put_wrong_by_a_slow_answer() -> None:
    clock = DatabaseClock(SystemClock())
    clock.learn(datetime.now(UTC) - timedelta(seconds=0.9), 0.0, 0.4)

    assert clock.offset == timedelta(0)
