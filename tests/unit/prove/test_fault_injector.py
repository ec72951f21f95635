from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.prove.fault_injector import FaultInjector
from tests.prove.history import History, InjectedFault, read_faults
from tests.prove.schedule import PlannedFault
from tests.prove.vendor_faults import VendorFaults
from tests.support.proxy import Proxy


@dataclass
class FakeCluster:
    """Fake cluster, supervisor, broker, proxies and samples in one; `done` records every call."""

    done: list[str] = field(default_factory=list)
    proxy: Proxy = field(default_factory=lambda: Proxy([], Random(0)))
    services: dict[str, list[str]] = field(default_factory=lambda: {"poller": ["poller", "poller-2"]})
    pids: dict[str, int] = field(default_factory=lambda: {"poller": 11, "poller-2": 12})

    signalled: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def stack(self) -> FakeCluster:
        return self

    supervisor = broker = database = proxies = stack

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
class Setup:
    """A fault injector and the fake cluster it acts on."""

    cluster: FakeCluster
    fault_injector: FaultInjector
    path: Path

    @property
    def rows(self) -> list[InjectedFault]:
        return list(read_faults(self.path))


@pytest.fixture
async def setup(tmp_path: Path) -> AsyncIterator[Setup]:
    cluster: Any = FakeCluster()
    history = History(tmp_path / "history.jsonl")
    fault_injector = FaultInjector(cluster, VendorFaults(cluster.control, []), cluster, history)
    yield Setup(cluster, fault_injector, tmp_path / "history.jsonl")
    history.close()


async def test_a_kill_ends_at_once_and_offsets_are_sampled(setup: Setup) -> None:
    await setup.fault_injector.run([PlannedFault(0, "kill", "poller-2", 0)])
    (row,) = setup.rows

    assert setup.cluster.done == ["kill poller-2", "offsets at kill poller-2"]
    assert (row.fault, row.target, row.details) == ("kill", "poller-2", {"pid": 12})
    assert row.began == row.healed
    assert setup.fault_injector.kills == {"poller": 1}


async def test_an_impossible_kill_is_recorded_as_missed(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.prove.fault_injector._READY_SECONDS", 0.01)
    setup.cluster.ready = False
    await setup.fault_injector.run([PlannedFault(0, "kill", "poller-2", 0)])
    (row,) = setup.rows

    assert (row.fault, row.target) == ("missed", "poller-2")
    assert (setup.cluster.done, setup.fault_injector.kills, setup.fault_injector.faults) == ([], {}, {})


async def test_a_stopped_process_resumes_after_its_time(setup: Setup) -> None:
    await setup.fault_injector.run([PlannedFault(0, "stop", "poller", 0.01)])
    (row,) = setup.rows

    assert setup.cluster.done == ["SIGSTOP poller", "SIGCONT poller"]
    assert row.began < row.healed


async def test_a_process_that_was_replaced_while_stopped_is_not_resumed(setup: Setup) -> None:
    stopping = asyncio.create_task(setup.fault_injector.run([PlannedFault(0, "stop", "poller", 0.05)]))
    await setup.cluster.signalled.wait()
    setup.cluster.pids["poller"] = 99
    await stopping

    assert setup.cluster.done == ["SIGSTOP poller"]


async def test_a_rolling_restart_restarts_one_replica_after_the_other(setup: Setup) -> None:
    await setup.fault_injector.run([PlannedFault(0, "roll", "poller", 0)])

    assert setup.cluster.done == ["restart poller", "restart poller-2"]


async def test_network_faults_of_one_target_take_turns_and_leave_it_healthy(setup: Setup) -> None:
    kinds = ("cut", "slow", "lost_replies")
    await setup.fault_injector.run([PlannedFault(0, kind, "broker", 0.02) for kind in kinds])
    rows = sorted(setup.rows, key=lambda row: row.began)

    assert {row.fault for row in rows} == set(kinds)
    assert all(one.healed <= other.began for one, other in pairwise(rows))
    assert not setup.cluster.proxy.down
    assert setup.cluster.proxy.replies.latency == 0


async def test_heal_removes_active_faults(setup: Setup) -> None:
    setup.cluster.proxy.go_down()
    stopping = asyncio.create_task(setup.fault_injector.run([PlannedFault(0, "stop", "poller", 0.05)]))
    await setup.cluster.signalled.wait()
    await setup.fault_injector.heal()

    assert setup.cluster.done == ["SIGSTOP poller", "SIGCONT poller", "restart server", "restart server"]
    assert not setup.cluster.proxy.down
    await stopping
