"""A lease has one holder over all replicas, and passes on when that one is gone; in a real database."""

from __future__ import annotations

import asyncio
import time

import pytest

from shared.errors import TargetDown
from shared.state.database import Database
from shared.state.leases import Leases, lock_number, open_leases


async def holder(db: Database, name: str) -> int:
    """The server's process that holds the lease."""
    number = lock_number(name)
    row = await db.fetchrow(
        "select pid from pg_locks where locktype = 'advisory' and (classid::bigint << 32) | objid::bigint = $1", number
    )
    assert row is not None
    return int(row["pid"])


async def eventually_holds(leases: Leases, name: str, seconds: float = 10.0) -> float:
    """Asks until it holds; how long that took."""
    started = time.monotonic()
    async with asyncio.timeout(seconds):
        while True:
            try:
                if await leases.holds(name):
                    return time.monotonic() - started
            except TargetDown:
                pass
            await asyncio.sleep(0.05)


async def test_each_name_has_one_holder_and_it_goes_on_when_that_leaves(database_url: str) -> None:
    async with open_leases(database_url) as second:
        async with open_leases(database_url) as first:
            assert await first.holds("a")
            assert await first.holds("a")
            assert not await second.holds("a")
            assert await second.holds("b")
            assert not await first.holds("b")

        assert await second.holds("a")


async def test_what_is_released_is_free_for_another_and_the_rest_is_kept(database_url: str) -> None:
    async with open_leases(database_url) as first, open_leases(database_url) as second:
        await first.release("a")
        assert (await first.holds("a"), await first.holds("b")) == (True, True)
        await first.release("a")

        assert (await second.holds("a"), await second.holds("b")) == (True, False)
        assert not await first.holds("a")


async def test_whose_session_is_lost_holds_nothing_and_others_take_over(database_url: str, db: Database) -> None:
    async with open_leases(database_url) as first, open_leases(database_url) as second:
        assert await first.holds("a")
        await db.execute("select pg_terminate_backend($1)", await holder(db, "a"))

        assert await eventually_holds(second, "a") < 5
        assert not await asks_again(first, "a")


async def asks_again(leases: Leases, name: str) -> bool:
    """The first question may find the session lost."""
    try:
        return await leases.holds(name)
    except TargetDown:
        return await leases.holds(name)


async def test_a_session_without_a_pulse_is_ended_by_the_server(database_url: str) -> None:
    frozen = Leases(database_url, idle_seconds=0.5)
    async with open_leases(database_url) as other:
        assert await frozen.holds("a")
        assert not await other.holds("a")

        await eventually_holds(other, "a")
        assert not await asks_again(frozen, "a")
    await frozen.close()


async def test_a_pulse_keeps_what_is_held(database_url: str) -> None:
    async with open_leases(database_url, idle_seconds=1.0) as living, open_leases(database_url) as other:
        assert await living.holds("a")
        pid_changes = asyncio.get_running_loop().time() + 2.5
        while asyncio.get_running_loop().time() < pid_changes:
            assert not await other.holds("a")
            await asyncio.sleep(0.1)


async def test_without_a_database_the_question_has_no_answer() -> None:
    async with open_leases("postgresql://127.0.0.1:1/none") as leases:
        with pytest.raises(TargetDown):
            await leases.holds("a")
