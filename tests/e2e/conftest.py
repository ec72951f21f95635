"""One running system per module, on the worker's broker and database, with its own topics and tables."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.local.engine import Engine
from tests.support.engine import fresh_database, new_prefix
from tests.support.stack import Bridge, open_bridge


@pytest.fixture(scope="module")
async def bridge(
    engine: Engine, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> AsyncIterator[Bridge]:
    """The system, ready. Its logs stay in pytest's temporary folder."""
    folder: Path = tmp_path_factory.mktemp(request.module.__name__.rpartition(".")[2])
    async with fresh_database(engine.database_url) as url:
        given = {
            "KAFKA_BOOTSTRAP_SERVERS": engine.bootstrap_servers,
            "DATABASE_URL": url,
            "TOPIC_PREFIX": new_prefix(),
        }
        async with open_bridge(folder, given) as opened:
            yield opened


@pytest.fixture
async def clean_faults(bridge: Bridge) -> AsyncIterator[None]:
    """Removes a test's faults before the next test."""
    yield
    await bridge.faults()
