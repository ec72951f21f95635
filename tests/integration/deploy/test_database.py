"""The embedded database is a real one: it keeps what it committed, and comes back where it was."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from deploy.local.database import LocalDatabase, open_database
from deploy.local.engine import Engine
from shared.errors import Misconfigured
from tests.support.processes import is_running


@pytest.fixture(scope="module")
async def database(engine_folder: Path) -> AsyncIterator[LocalDatabase]:
    """One that may be killed: not the one that the other tests share."""
    async with open_database(engine_folder / "another-postgres") as running:
        yield running


async def execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def numbers(url: str) -> list[int]:
    connection = await asyncpg.connect(url)
    try:
        return [row["n"] for row in await connection.fetch("select n from numbers order by n")]
    finally:
        await connection.close()


async def test_what_was_committed_survives_kill_9(database: LocalDatabase) -> None:
    url, pid = database.url, database.pid
    await execute(url, "create table numbers (n int)", "insert into numbers select generate_series(1, 200)")
    busy = [await asyncpg.connect(url) for _ in range(10)]

    await database.kill()
    assert not is_running(pid)
    await database.restart()

    for connection in busy:
        connection.terminate()
    assert database.url == url
    assert await numbers(url) == list(range(1, 201))


async def test_it_can_be_killed_again_and_again(database: LocalDatabase) -> None:
    for _ in range(3):
        await database.kill()
        await database.restart()

    await execute(database.url, "select 1")


async def test_data_outlives_the_run_that_made_it(disk_folder: Path) -> None:
    async with open_database(disk_folder) as first:
        await execute(first.url, "create table numbers (n int)", "insert into numbers values (7)")

    async with open_database(disk_folder) as second:
        assert await numbers(second.url) == [7]


async def test_a_folder_with_a_very_long_name_is_served_through_a_short_socket(disk_folder: Path) -> None:
    folder = disk_folder / ("long" * 30)

    async with open_database(folder) as database:
        await execute(database.url, "select 1")
        sockets = Path(parse_qs(urlsplit(database.url).query)["host"][0])
        assert not sockets.is_relative_to(folder)

    assert not sockets.exists()  # noqa: ASYNC240 - one look


async def test_a_making_that_was_cut_off_is_begun_again(disk_folder: Path) -> None:
    half = disk_folder / "data" / "base"
    half.mkdir(parents=True)

    async with open_database(disk_folder) as database:
        await execute(database.url, "select 1")


async def test_data_of_another_version_is_left_alone_with_a_sentence(disk_folder: Path) -> None:
    (disk_folder / "data").mkdir()
    (disk_folder / "data" / "PG_VERSION").write_text("16\n")

    with pytest.raises(Misconfigured, match="has data of PostgreSQL 16, this is 18"):
        async with open_database(disk_folder):
            raise AssertionError

    assert (disk_folder / "data" / "PG_VERSION").exists()


async def test_two_databases_side_by_side_know_nothing_of_each_other(database: LocalDatabase, engine: Engine) -> None:
    await execute(database.url, "create table mine (n int)")

    with pytest.raises(asyncpg.UndefinedTableError):
        await execute(engine.database_url, "select * from mine")
