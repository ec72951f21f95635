"""The supervisor keeps services running, says how they are, and stops them all."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.local.ports import Ports
from deploy.local.processes import Watchdog
from deploy.local.services import Launch
from deploy.local.supervisor import Supervisor, open_supervisor
from shared.errors import Misconfigured
from tests.support.processes import ROOT, is_running, until

TOY = ROOT / "tests" / "support" / "toy_service.py"


@pytest.fixture
async def supervisor(tmp_path: Path) -> AsyncIterator[Supervisor]:
    with Watchdog() as watchdog:
        async with open_supervisor(watchdog, tmp_path / "logs", stop_seconds=0.5) as running:
            yield running


def a_launch(name: str, behaviour: str) -> Launch:
    with Ports() as ports:
        port = ports.reserve()
    environ = {**os.environ, "HEALTH_PORT": str(port)}
    return Launch(name, (sys.executable, str(TOY), behaviour), environ, f"http://127.0.0.1:{port}", None)


async def test_services_start_side_by_side_and_get_ready(supervisor: Supervisor) -> None:
    for name in ("one", "two"):
        supervisor.start(a_launch(name, "ready"))

    await supervisor.wait_ready(20)

    assert [(state.state, state.restarts) for state in supervisor.states.values()] == [("ready", 0), ("ready", 0)]
    assert all(is_running(state.pid) for state in supervisor.states.values())


async def test_a_killed_service_is_started_again_and_counted(supervisor: Supervisor) -> None:
    supervisor.start(a_launch("one", "ready"))
    await supervisor.wait_ready(20)
    state = supervisor.states["one"]
    first = state.pid

    await supervisor.kill("one")
    await until(lambda: state.state == "down")
    await supervisor.wait_ready(20)

    assert state.pid != first
    assert (state.restarts, state.exit_code) == (1, -signal.SIGKILL)


async def test_a_service_that_cannot_work_is_named_with_its_last_line(supervisor: Supervisor) -> None:
    supervisor.start(a_launch("writer", "misconfigured"))

    with pytest.raises(Misconfigured, match=r"writer is down \(exit 78\).*SECRET_KEY: must be 32 bytes") as failed:
        await supervisor.wait_ready(20)

    assert "\n" not in failed.value.reason


async def test_a_service_that_crashes_again_and_again_is_given_up_for_the_start(supervisor: Supervisor) -> None:
    supervisor.start(a_launch("writer", "crash"))

    with pytest.raises(Misconfigured, match=r"writer is down \(exit 1\)"):
        await supervisor.wait_ready(30)


async def test_a_service_that_never_gets_ready_is_named(supervisor: Supervisor) -> None:
    supervisor.start(a_launch("good", "ready"))
    supervisor.start(a_launch("slow", "unready"))

    with pytest.raises(Misconfigured, match=r"^slow is starting.* after 2 s$"):
        await supervisor.wait_ready(2)


async def test_stopping_ends_every_service_even_a_stubborn_one(supervisor: Supervisor) -> None:
    supervisor.start(a_launch("good", "ready"))
    supervisor.start(a_launch("bad", "stubborn"))
    await supervisor.wait_ready(20)

    await supervisor.stop()

    assert {state.state for state in supervisor.states.values()} == {"stopped"}
    assert supervisor.states["good"].exit_code == 0
    assert supervisor.states["bad"].exit_code == -signal.SIGKILL
    assert not any(is_running(state.pid) for state in supervisor.states.values())


async def test_a_log_begins_anew_with_each_run(supervisor: Supervisor, tmp_path: Path) -> None:
    old = tmp_path / "logs" / "one.log"
    old.parent.mkdir(exist_ok=True)
    old.write_text("of yesterday\n")

    supervisor.start(a_launch("one", "ready"))
    await supervisor.wait_ready(20)

    assert old.read_text() == "toy service: ready\n"
