"""One broker and one database per run, started with the first test that asks for them; nothing skips without them."""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from deploy.local.engine import Engine, open_engine
from shared.errors import Misconfigured
from tests.support.engine import fresh_database, new_prefix, run_folder


@pytest.fixture(scope="session")
def engine_folder() -> Iterator[Path]:
    with run_folder() as folder:
        yield folder


@pytest.fixture
def disk_folder(engine_folder: Path) -> Path:
    """For servers that a test starts itself: on a real disk, and no other test run closes it to their user."""
    folder = engine_folder / uuid.uuid4().hex[:8]
    folder.mkdir()
    return folder


@pytest.fixture(scope="session")
async def engine(engine_folder: Path) -> AsyncIterator[Engine]:
    """A real broker and a real database: our own, or those that the environment names."""
    try:
        opened = open_engine(os.environ, engine_folder)
        started = await opened.__aenter__()
    except Misconfigured as error:
        pytest.fail(error.reason, pytrace=False)
    try:
        yield started
    finally:
        await opened.__aexit__(None, None, None)


@pytest.fixture
def topic_prefix() -> str:
    """For topics and groups: no test meets another's."""
    return new_prefix()


@pytest.fixture(scope="session")
async def migrated_template(engine: Engine) -> AsyncIterator[str]:
    """The name of a database with all migrations applied: a copy takes a fraction of the time."""
    from shared.state.database import migrate

    async with fresh_database(engine.database_url) as url:
        await migrate(url)
        yield urlsplit(url).path.removeprefix("/")


@pytest.fixture
async def database_url(engine: Engine, migrated_template: str) -> AsyncIterator[str]:
    """A migrated database of the test's own."""
    async with fresh_database(engine.database_url, migrated_template) as url:
        yield url


@pytest.fixture
async def empty_database_url(engine: Engine) -> AsyncIterator[str]:
    """A database of the test's own with nothing in it."""
    async with fresh_database(engine.database_url) as url:
        yield url
