"""A member that is stopped for longer than its session, in the middle of its work, and then goes on."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import psutil
import pytest

from deploy.local.engine import Engine
from shared.errors import Waiting
from shared.messaging.record import Record
from shared.messaging.topics import topic_name
from tests.integration.messaging.harness import QUICK, Handled, Harness, a_harness, consuming
from tests.support.engine import service_environ
from tests.support.messaging import until

ROOT = Path(__file__).resolve().parents[3]
FOR_EVER = replace(QUICK, park_schedule=(0.2,) * 200)


@dataclass
class Member:
    """The other process: what it has done, and what it said."""

    process: asyncio.subprocess.Process
    folder: Path

    @property
    def said(self) -> str:
        return (self.folder / "log").read_text()

    @property
    def done(self) -> list[str]:
        file = self.folder / "done"
        return file.read_text().split() if file.exists() else []

    def sleeps(self) -> bool:
        return psutil.Process(self.process.pid).status() == psutil.STATUS_STOPPED

    def wake(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    @property
    def lives(self) -> bool:
        return self.process.returncode is None


@asynccontextmanager
async def a_member(engine: Engine, harness: Harness, folder: Path, steps: str) -> AsyncIterator[Member]:
    prefix = harness.settings.topic_prefix
    more = {"STEPS": steps, "DONE": str(folder / "done"), "GO": str(folder / "go"), "PYTHONPATH": str(ROOT)}
    environ = service_environ(engine, topic_prefix=prefix, database_url=harness.settings.database_url, **more)
    with (folder / "log").open("w") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.integration.messaging.member",
            env={**os.environ, **environ}, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        yield Member(process, folder)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


class Heir:
    """The handler of whoever takes over: waits for an item until the file is there."""

    def __init__(self, go: Path) -> None:
        self._go = go

    async def __call__(self, records: Sequence[Record]) -> None:
        if not self._go.exists():
            raise Waiting("the heir waits", waits_for="item:TEE")


@pytest.fixture
async def harness(engine: Engine, topic_prefix: str, database_url: str) -> AsyncIterator[Harness]:
    async with a_harness(engine, topic_prefix, database_url) as made:
        yield made


async def waiting(harness: Harness) -> list[str]:
    records = await harness.parked.records(topic_name(harness.settings.topic_prefix, harness.topic), "main|a")
    return [dict(record.headers)["ce_id"].decode() for record in records]


@pytest.mark.parametrize("steps", ["sleep-park", "park,sleep-apply", "park,sleep-park"])
async def test_a_zombie_changes_nothing_of_what_its_heir_has_parked(
    engine: Engine, harness: Harness, tmp_path: Path, steps: str
) -> None:
    heir = Handled(Heir(tmp_path / "go"))
    async with a_member(engine, harness, tmp_path, steps) as member:
        await harness.publish("a", 0)
        await until(member.sleeps, seconds=40)

        async with consuming(harness, heir, options=FOR_EVER):
            await harness.publish("a", 1)
            await until(partial(has, harness, ["a.0", "a.1"]), seconds=40)
            await until(partial(harness.has_committed, 2))
            member.wake()
            await until(lambda: "fenced off" in member.said)
            assert await waiting(harness) == ["a.0", "a.1"]

            (tmp_path / "go").touch()
            await until(lambda: "a.1" in heir.done + member.done, seconds=40)
            await harness.publish("a", 2)
            await until(lambda: "a.2" in heir.done + member.done, seconds=40)
            assert member.lives

        # Both have the key's events in order, and after the zombie's own last word no event was done twice.
        by_zombie = ["a.0"] if steps == "park,sleep-apply" else []
        assert sorted(heir.done + member.done) == sorted([*by_zombie, "a.0", "a.1", "a.2"])
        assert heir.done == sorted(heir.done)
        assert member.done == sorted(member.done)


async def has(harness: Harness, events: list[str]) -> bool:
    return await waiting(harness) == events


async def test_a_zombie_that_was_fenced_off_works_on_as_a_member_like_others(
    engine: Engine, harness: Harness, tmp_path: Path
) -> None:
    async with a_member(engine, harness, tmp_path, "sleep-park") as member:
        await harness.publish("a", 0)
        await until(member.sleeps, seconds=40)
        async with consuming(harness, Handled(Heir(tmp_path / "go")), options=FOR_EVER) as heir:
            await until(partial(has, harness, ["a.0"]), seconds=40)
            await until(partial(harness.has_committed, 1))
            member.wake()
            await until(lambda: "fenced off" in member.said)
            await heir.stop()
        (tmp_path / "go").touch()
        await harness.publish("a", 1)
        await until(lambda: member.done == ["a.0", "a.1"], seconds=40)
        await until(partial(harness.has_committed, 2))
        assert await waiting(harness) == []
