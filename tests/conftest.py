"""One broker and one database per test worker, started by the first test that needs them, so that none is skipped."""

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
    """A folder on a real disk for servers that a test starts itself."""
    folder = engine_folder / uuid.uuid4().hex[:8]
    folder.mkdir()
    return folder


@pytest.fixture(scope="session")
async def engine(engine_folder: Path) -> AsyncIterator[Engine]:
    """A real broker and a real database: started here, or those that the environment names."""
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
    """A prefix for topics and groups, so that no two tests share any."""
    return new_prefix()


@pytest.fixture(scope="session")
async def migrated_template(engine: Engine) -> AsyncIterator[str]:
    """The name of a migrated database to copy from, which is faster than to migrate anew."""
    from shared.state.database import migrate

    async with fresh_database(engine.database_url) as url:
        await migrate(url)
        yield urlsplit(url).path.removeprefix("/")


@pytest.fixture
async def database_url(engine: Engine, migrated_template: str) -> AsyncIterator[str]:
    """A migrated database for one test."""
    async with fresh_database(engine.database_url, migrated_template) as url:
        yield url


@pytest.fixture
async def empty_database_url(engine: Engine) -> AsyncIterator[str]:
    """An empty database for one test."""
    async with fresh_database(engine.database_url) as url:
        yield url
