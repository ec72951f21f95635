"""A lease has one holder over all replicas, and passes on when that one is gone."""

from __future__ import annotations

import pytest

from shared.errors import TargetDown
from shared.state.database import Database
from shared.state.lease import open_lease


async def test_one_holds_it_and_the_next_one_follows(database_url: str) -> None:
    async with open_lease(database_url, "reconciler:main") as second:
        async with open_lease(database_url, "reconciler:main") as first:
            assert await first.held()
            assert not await second.held()
            assert await first.held()

        assert await second.held()


async def test_each_name_is_held_by_itself(database_url: str) -> None:
    async with (
        open_lease(database_url, "reconciler:main") as one,
        open_lease(database_url, "reconciler:other") as other,
    ):
        assert (await one.held(), await other.held()) == (True, True)


async def test_whose_session_is_gone_is_told_so_and_somebody_else_has_it(database_url: str, db: Database) -> None:
    async with (
        open_lease(database_url, "reconciler:main") as first,
        open_lease(database_url, "reconciler:main") as second,
    ):
        assert await first.held()
        await db.execute("select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and granted")

        with pytest.raises(TargetDown):
            await first.held()
        assert await second.held()
