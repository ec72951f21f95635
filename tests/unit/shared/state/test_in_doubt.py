from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from shared.errors import TargetDown
from shared.state.in_doubt import count_in_doubt, counting_in_doubt
from shared.state.ledger import Ledger
from tests.support.shell import a_shell


class Counting:
    """A ledger that says how often it was asked; the second time its database is away."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.was_asked, self.asked_often = asyncio.Event(), asyncio.Event()

    async def in_doubt(self, system: str) -> int:
        self.asked.append(system)
        self.was_asked.set()
        if len(self.asked) == 2:
            raise TargetDown("PostgreSQL is away")
        if len(self.asked) == 4:
            self.asked_often.set()
        return len(self.asked)


@pytest.mark.parametrize("system", ["heartland", "shopify"])
async def test_the_doubts_are_counted_again_and_again_also_after_an_outage(system: str) -> None:
    told: list[float] = []
    ledger = Counting()

    task = asyncio.create_task(count_in_doubt(cast("Ledger", ledger), system, told.append, 0.001))
    await ledger.asked_often.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert told[:2] == [1, 3]
    assert set(ledger.asked) == {system}


async def test_the_figure_is_that_of_the_system() -> None:
    ledger: Any = Counting()
    async with a_shell() as shell, counting_in_doubt(ledger, shell, "heartland"):
        await ledger.was_asked.wait()

        assert shell.metrics.registry.get_sample_value("tillbridge_in_doubt", {"system": "heartland"}) == 1
