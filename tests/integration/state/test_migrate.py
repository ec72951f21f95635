from __future__ import annotations

import asyncio

import pytest

from shared.errors import Misconfigured
from shared.state.database import Database, migrate


async def test_of_several_processes_one_migrates_and_all_succeed(empty_database_url: str) -> None:
    applied = await asyncio.gather(*(migrate(empty_database_url) for _ in range(5)))

    [names] = [names for names in applied if names]
    assert names[0] == "001_first"
    assert names == sorted(names)
    assert await migrate(empty_database_url) == []


async def test_a_migration_changed_afterwards_is_refused(empty_database_url: str) -> None:
    await migrate(empty_database_url)
    async with Database.open(empty_database_url, 1) as database:
        await database.execute("update schema_migrations set sha256 = 'another'")

    with pytest.raises(Misconfigured, match="001_first was changed"):
        await migrate(empty_database_url)
