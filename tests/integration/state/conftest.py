from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from shared.state.database import Database


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    async with Database.open(database_url, 4) as database:
        yield database


@pytest.fixture
async def other_db(database_url: str) -> AsyncIterator[Database]:
    """The same database, as another process would hold it."""
    async with Database.open(database_url, 4) as database:
        yield database
