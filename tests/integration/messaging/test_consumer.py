"""The consumer on a real broker and a real database."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from deploy.local.engine import Engine
from tests.integration.messaging.setting import Handled, Place, a_place, consuming
from tests.support.messaging import until


@pytest.fixture
async def place(engine: Engine, topic_prefix: str, database_url: str) -> AsyncIterator[Place]:
    async with a_place(engine, topic_prefix, database_url) as made:
        yield made


async def test_every_record_is_handled_once_and_in_order_of_its_key(place: Place) -> None:
    handled = Handled()
    async with consuming(place, handled) as running:
        for number in range(20):
            for subject in ("a", "b", "c"):
                await place.publish(subject, number)
        await until(lambda: len(handled.done) == 60)
        await running.stop()

    for subject in ("a", "b", "c"):
        assert handled.seen(subject) == [f"{subject}.{number}" for number in range(20)]
    assert not handled.overlapped
    assert await place.committed() == 60
