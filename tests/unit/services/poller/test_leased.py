"""When a replica polls: while it holds the lease, and when it is due."""

from __future__ import annotations

import pytest

from services.poller.leased import leased, spaced
from shared.errors import TargetDown
from tests.support.clock import FakeClock


class Holder:
    def __init__(self) -> None:
        self.held: set[str] = set()

    async def holds(self, name: str) -> bool:
        return name in self.held

    async def release(self, name: str) -> None:
        self.held.discard(name)


async def test_only_the_holder_polls() -> None:
    polled: list[str] = []

    async def poll(connection: str) -> None:
        polled.append(connection)

    holder = Holder()
    ours = leased(holder, "feed", poll)
    await ours("main")
    holder.held.add("feed|main")
    await ours("main")
    await ours("other")

    assert polled == ["main"]


async def test_who_fails_leaves_it_to_another() -> None:
    async def poll(_: str) -> None:
        raise TargetDown("away")

    holder = Holder()
    holder.held.add("feed|main")
    with pytest.raises(TargetDown):
        await leased(holder, "feed", poll)("main")

    assert holder.held == set()


async def test_it_is_due_again_after_its_time_and_at_once_after_a_failure() -> None:
    clock, polled = FakeClock(), list[str]()

    async def poll(connection: str) -> None:
        polled.append(connection)
        if len(polled) == 1:
            raise TargetDown("away")

    due = spaced(300.0, clock, poll)
    with pytest.raises(TargetDown):
        await due("main")
    await due("main")
    await due("main")
    clock.advance(299)
    await due("main")
    assert polled == ["main"] * 2
    clock.advance(1)
    await due("main")

    assert polled == ["main"] * 3
