"""Everything together, as `tillbridge run` starts it."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from deploy.local.services import SERVICES
from deploy.local.stack import Stack, open_stack
from shared.errors import Misconfigured
from tests.support.engine import new_prefix
from tests.support.processes import Parent, is_running, until

# Opens a stack and says which processes it consists of.
PROGRAM = """
import asyncio, json, os, pathlib
from deploy.local.stack import open_stack

async def main():
    folder = pathlib.Path(os.environ["FOLDER"])
    async with open_stack({**os.environ}, folder=folder, build=folder / "build") as stack:
        pids = [state.pid for state in stack.supervisor.states.values()]
        print(json.dumps({"pids": [*pids, stack.engine.broker.pid, stack.engine.database.pid]}), flush=True)
        await asyncio.sleep(300)

asyncio.run(main())
"""


@pytest.fixture(scope="module")
async def stack(engine_folder: Path) -> AsyncIterator[Stack]:
    folder = engine_folder / "stack"
    environ = {**os.environ, "TOPIC_PREFIX": new_prefix()}
    async with open_stack(environ, folder=folder, build=folder / "build") as running:
        yield running


@pytest.mark.capability("S72")
async def test_every_service_is_ready_and_run_json_says_where(stack: Stack) -> None:
    report = json.loads(stack.run_json.read_text())

    assert [service["name"] for service in report["services"]] == [service.name for service in SERVICES]
    assert report["broker"]["product"]
    assert report["webhooks"] == stack.webhook_url
    async with aiohttp.ClientSession() as session:
        for service in report["services"]:
            async with session.get(service["health"]) as response:
                assert response.status == 200, service["name"]


async def test_a_killed_service_is_ready_again_and_run_json_follows(stack: Stack) -> None:
    state = stack.supervisor.states["ingress"]
    first = state.pid

    await stack.supervisor.kill("ingress")
    await until(lambda: state.state == "down")
    await stack.supervisor.wait_ready(60)

    assert state.pid != first
    await until(lambda: str(state.pid) in stack.run_json.read_text())


async def test_a_second_run_in_the_same_folder_is_refused(stack: Stack) -> None:
    with pytest.raises(Misconfigured, match="another run uses"):
        async with open_stack({}, folder=stack.folder.parent, build=stack.folder / "build"):
            raise AssertionError


async def test_a_parent_killed_with_kill_9_leaves_nothing_behind(disk_folder: Path) -> None:
    given = {"KAFKA_BOOTSTRAP_SERVERS": "", "DATABASE_URL": "", "TILLBRIDGE_ENGINE": ""}
    parent = await Parent.start(PROGRAM, {**given, "FOLDER": str(disk_folder)})
    pids = parent.said["pids"]
    assert len(pids) == len(SERVICES) + 2
    assert all(map(is_running, pids))

    await parent.kill()

    await until(lambda: not any(map(is_running, pids)), seconds=20)
