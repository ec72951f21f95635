from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.prove.history import History, Struck, read_strikes
from tests.prove.nemesis import Nemesis
from tests.prove.schedule import Strike
from tests.prove.vendors import Vendors
from tests.support.proxy import Proxy


@dataclass
class Bystander:
    """Cluster, supervisor, broker, lines and samples in one: it notes what is done to it."""

    done: list[str] = field(default_factory=list)
    proxy: Proxy = field(default_factory=lambda: Proxy([], Random(0)))
    services: dict[str, list[str]] = field(default_factory=lambda: {"poller": ["poller", "poller-2"]})
    pids: dict[str, int] = field(default_factory=lambda: {"poller": 11, "poller-2": 12})

    signalled: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def stack(self) -> Bystander:
        return self

    supervisor = broker = database = lines = stack

    ready: bool = True

    def is_ready(self, _: str) -> bool:
        return self.ready

    async def changed(self) -> None:
        await asyncio.sleep(0)

    def named(self, _: str) -> Proxy:
        return self.proxy

    def heal(self) -> None:
        self.proxy.heal()

    async def kill(self, process: str = "server") -> None:
        self.done.append(f"kill {process}")

    async def restart(self, process: str = "server") -> None:
        self.done.append(f"restart {process}")
        if process in self.pids:
            self.pids[process] += 100

    def signal(self, process: str, number: Any) -> int:
        self.done.append(f"{number.name} {process}")
        self.signalled.set()
        return self.pids[process]

    async def note_offsets(self, why: str) -> bool:
        self.done.append(f"offsets at {why}")
        return True

    async def control(self, *_: Any) -> tuple[int, Any]:
        return 200, {"faults": []}


@dataclass
class Field:
    """A nemesis and its victim."""

    victim: Bystander
    nemesis: Nemesis
    path: Path

    @property
    def rows(self) -> list[Struck]:
        return list(read_strikes(self.path))


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[Field]:
    victim: Any = Bystander()
    history = History(tmp_path / "history.jsonl")
    nemesis = Nemesis(victim, Vendors(victim.control, []), victim, history)
    yield Field(victim, nemesis, tmp_path / "history.jsonl")
    history.close()


async def test_a_kill_is_over_when_it_is_done_and_offsets_are_asked_for(ground: Field) -> None:
    await ground.nemesis.run([Strike(0, "kill", "poller-2", 0)])
    (row,) = ground.rows

    assert ground.victim.done == ["kill poller-2", "offsets at kill poller-2"]
    assert (row.strike, row.target, row.details) == ("kill", "poller-2", {"pid": 12})
    assert row.began == row.healed
    assert ground.nemesis.kills == {"poller": 1}


async def test_a_kill_that_cannot_be_is_noted(ground: Field, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.prove.nemesis._BACK_SECONDS", 0.01)
    ground.victim.ready = False
    await ground.nemesis.run([Strike(0, "kill", "poller-2", 0)])
    (row,) = ground.rows

    assert (row.strike, row.target) == ("missed", "poller-2")
    assert (ground.victim.done, ground.nemesis.kills, ground.nemesis.faults) == ([], {}, {})


async def test_a_stopped_process_goes_on_after_its_time(ground: Field) -> None:
    await ground.nemesis.run([Strike(0, "stop", "poller", 0.01)])
    (row,) = ground.rows

    assert ground.victim.done == ["SIGSTOP poller", "SIGCONT poller"]
    assert row.began < row.healed


async def test_a_process_that_was_replaced_while_it_slept_is_not_woken(ground: Field) -> None:
    stopping = asyncio.create_task(ground.nemesis.run([Strike(0, "stop", "poller", 0.05)]))
    await ground.victim.signalled.wait()
    ground.victim.pids["poller"] = 99
    await stopping

    assert ground.victim.done == ["SIGSTOP poller"]


async def test_replicas_roll_one_after_the_other(ground: Field) -> None:
    await ground.nemesis.run([Strike(0, "roll", "poller", 0)])

    assert ground.victim.done == ["restart poller", "restart poller-2"]


async def test_faults_of_one_line_take_turns_and_leave_it_healthy(ground: Field) -> None:
    kinds = ("cut", "slow", "lost_replies")
    await ground.nemesis.run([Strike(0, kind, "broker", 0.02) for kind in kinds])
    rows = sorted(ground.rows, key=lambda row: row.began)

    assert {row.strike for row in rows} == set(kinds)
    assert all(one.healed <= other.began for one, other in pairwise(rows))
    assert not ground.victim.proxy.down
    assert ground.victim.proxy.replies.latency == 0


async def test_healing_ends_whatever_still_hurts(ground: Field) -> None:
    ground.victim.proxy.go_down()
    stopping = asyncio.create_task(ground.nemesis.run([Strike(0, "stop", "poller", 0.05)]))
    await ground.victim.signalled.wait()
    await ground.nemesis.heal()

    assert ground.victim.done == ["SIGSTOP poller", "SIGCONT poller", "restart server", "restart server"]
    assert not ground.victim.proxy.down
    await stopping
