from __future__ import annotations

import asyncio

import pytest

from shared.errors import TargetDown
from shared.state.database import Database
from shared.state.ledger import Effect, Ledger
from tests.support.clock import FakeClock


async def cut(killer: Database) -> None:
    """End all other connections to this database, as a restart of the server would."""
    await killer.execute(
        """select pg_terminate_backend(pid) from pg_stat_activity
            where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'"""
    )


async def test_a_connection_cut_during_a_statement_is_target_down(db: Database, other_db: Database) -> None:
    slow = asyncio.create_task(db.execute("select pg_sleep(60)"))
    async with asyncio.timeout(10):
        while True:
            if await other_db.fetch("select from pg_stat_activity where query = 'select pg_sleep(60)'"):
                break
            await asyncio.sleep(0.01)

    await cut(other_db)

    with pytest.raises(TargetDown):
        await slow


async def test_the_pool_recovers_by_itself(db: Database, other_db: Database) -> None:
    await db.fetch("select 1")
    await cut(other_db)

    async with asyncio.timeout(10):
        while True:
            try:
                assert (await db.fetch("select 1 as one"))[0]["one"] == 1
                break
            except TargetDown:
                await asyncio.sleep(0.01)


async def test_an_outcome_under_way_is_stored_before_the_pool_closes(db: Database, database_url: str) -> None:
    effect = Effect("demo", "heartland", "order", "1", "order:create")
    async with Database.open(database_url, 1) as leaving:
        task = asyncio.create_task(Ledger(leaving, FakeClock()).done(effect, {"id": 7}))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    assert (await Ledger(db, FakeClock()).claim(effect)).state == "done"
