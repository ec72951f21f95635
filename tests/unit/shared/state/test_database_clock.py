"""The shared clock between two answers of the database."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import aiohttp
import pytest

from shared.state import database_clock as shared_time
from shared.state.database import Database
from shared.state.database_clock import DatabaseClock, open_database_clock
from tests.support.clock import FakeClock
from tests.support.shell import a_shell


class Wrong(FakeClock):
    """A machine whose clock is off, until somebody sets it."""

    def __init__(self, by: timedelta) -> None:
        super().__init__()
        self.by = by

    def now(self) -> datetime:
        return super().now() + self.by


@pytest.mark.parametrize("hours", [-1, 0, 1])
def test_setting_the_machines_clock_in_mid_run_moves_nothing(hours: int) -> None:
    true, machine = FakeClock(), Wrong(timedelta(hours=hours))
    shared = DatabaseClock(machine)
    shared.learn(true.now(), true.monotonic(), true.monotonic())
    true.advance(10)
    machine.advance(10)
    machine.by += timedelta(hours=1)
    true.advance(2)
    machine.advance(2)

    assert shared.now() == true.now()


@pytest.mark.parametrize("delay", [0.0, 3.0, 30.0])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_slow_answer_does_not_move_a_clock_that_is_right(delay: float, share: float) -> None:
    """The database reads its clock at once, or late: nobody can tell which part of the time was the way back."""
    machine = FakeClock()
    shared = DatabaseClock(machine)
    asked_at = machine.monotonic()
    machine.advance(delay * share)
    told = machine.now()
    machine.advance(delay * (1 - share))

    shared.learn(told, asked_at, machine.monotonic())

    assert shared.offset == timedelta(0)


def test_a_clock_that_is_off_is_moved_whatever_the_answer_takes() -> None:
    true, machine = FakeClock(), Wrong(timedelta(minutes=-5))
    shared = DatabaseClock(machine)
    asked_at = machine.monotonic()
    for clock in (true, machine):
        clock.advance(1)
    told = true.now()
    for clock in (true, machine):
        clock.advance(1)

    shared.learn(told, asked_at, machine.monotonic())

    assert shared.now() == true.now()


def test_the_next_answer_puts_right_what_the_machines_clock_has_drifted() -> None:
    true, machine = FakeClock(), Wrong(timedelta(hours=-1))
    shared = DatabaseClock(machine)
    shared.learn(true.now(), 0.0, 0.0)
    true.advance(30)
    machine.advance(24)
    shared.learn(true.now(), 0.0, 0.0)
    machine.advance(5)

    assert shared.now() == true.now() + timedelta(seconds=5)


class Forgetful:
    """A database that answers once, and then not even with an error of its own."""

    def __init__(self) -> None:
        self.asked = 0
        self.asked_twice = asyncio.Event()

    async def fetchrow(self, query: str) -> dict[str, Any]:
        self.asked += 1
        if self.asked > 1:
            self.asked_twice.set()
            raise KeyError("a bug")
        return {"now": datetime.now(UTC)}


async def test_a_process_whose_time_is_kept_right_no_more_is_not_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_time, "_REFRESH_SECONDS", 0.0)
    database = Forgetful()
    async with (
        a_shell() as shell,
        open_database_clock(cast("Database", database), shell),
        aiohttp.ClientSession() as session,
    ):
        await database.asked_twice.wait()
        async with session.get(f"{shell.health.url}/livez") as answer:
            assert (await answer.json())["checks"]["shared time"] is False
