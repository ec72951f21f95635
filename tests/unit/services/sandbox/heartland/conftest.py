from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.unit.services.sandbox.heartland.till import Till, open_till


@pytest_asyncio.fixture
async def till() -> AsyncIterator[Till]:
    async with open_till() as opened:
        yield opened
