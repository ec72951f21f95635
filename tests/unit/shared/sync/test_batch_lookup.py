from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from shared.errors import TargetDown
from shared.sync.batch_lookup import BatchLookup
from shared.sync.key_locks import KeyLocks


class Loads:
    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.subjects: list[frozenset[str]] = []
        self.error: Exception | None = None
        self.go = asyncio.Event()
        self.go.set()

    async def __call__(self, names: list[str], subjects: frozenset[str]) -> Mapping[str, int]:
        self.asked.append(names)
        self.subjects.append(subjects)
        await self.go.wait()
        if self.error:
            raise self.error
        return {name: len(name) for name in names if name != "none"}


async def test_what_is_asked_together_is_asked_once() -> None:
    loads = Loads()
    batch = BatchLookup(loads, 0.001)

    found = await asyncio.gather(batch.get(["a", "bb"]), batch.get(["bb", "none"]))

    assert found == [{"a": 1, "bb": 2}, {"bb": 2}]
    assert loads.asked == [["a", "bb", "none"]]


async def test_what_is_asked_meanwhile_goes_with_the_next_call() -> None:
    loads = Loads()
    loads.go.clear()
    batch = BatchLookup(loads, 0)
    first = asyncio.create_task(batch.get(["a"], frozenset({"1"})))
    while not loads.asked:  # noqa: ASYNC110
        await asyncio.sleep(0)
    others = [asyncio.create_task(batch.get([name], frozenset({name}))) for name in ("b", "c")]
    await asyncio.sleep(0)
    loads.go.set()

    await asyncio.gather(first, *others)

    assert loads.asked == [["a"], ["b", "c"]]
    assert loads.subjects == [frozenset({"1"}), frozenset({"b", "c"})]


async def test_a_failure_is_everybodys_and_the_next_try_is_fresh() -> None:
    loads = Loads()
    loads.error = TargetDown("away")
    batch = BatchLookup(loads, 0)
    with pytest.raises(TargetDown):
        await batch.get(["a"])
    loads.error = None

    assert await batch.get(["a"]) == {"a": 1}


async def test_one_who_leaves_takes_nothing_from_the_others() -> None:
    loads = Loads()
    loads.go.clear()
    batch = BatchLookup(loads, 0)
    leaver, stayer = (asyncio.create_task(batch.get(["a"])) for _ in range(2))
    while not loads.asked:  # noqa: ASYNC110
        await asyncio.sleep(0)
    leaver.cancel()
    loads.go.set()

    assert await stayer == {"a": 1}


async def test_a_lock_is_gone_when_nobody_holds_it() -> None:
    locks, order = KeyLocks(), list[int]()

    async def work(number: int) -> None:
        async with locks.of("ada"):
            order.append(number)
            await asyncio.sleep(0)
            order.append(number)

    await asyncio.gather(*(work(number) for number in range(3)))

    assert order == [0, 0, 1, 1, 2, 2]
    assert not locks._held
