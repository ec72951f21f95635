from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import aiohttp

from tests.support.shell import SECRET_KEY, a_shell

ROOT = Path(__file__).parents[4]
ENVIRON = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "DATABASE_URL": "postgresql://", "SECRET_KEY": SECRET_KEY}

PROGRAM = """
import asyncio, sys
from shared.errors import Misconfigured
from shared.runtime.service import launch, open_shell
from shared.runtime.settings import Settings

async def run(settings, stop):
    how = sys.argv[1]
    async with open_shell("demo", settings, stop):
        print("up", flush=True)
        if how == "crash":
            raise ValueError("of jane@example.com")
        if how == "misconfigured":
            async with asyncio.TaskGroup() as group:
                group.create_task(fail())
        if how == "crash within":
            async with asyncio.TaskGroup() as outer:
                outer.create_task(within())
        await (asyncio.Event().wait() if how == "stubborn" else stop.wait())

async def within():
    async with asyncio.TaskGroup() as group:
        group.create_task(miss())

async def miss():
    raise KeyError("the cause")

async def fail():
    raise Misconfigured("TOPIC: there is none")

launch("demo", Settings, run)
"""


def start(how: str, **environ: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, how],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **ENVIRON, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_line(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"


def test_a_signal_stops_it_cleanly() -> None:
    process = start("serve")
    wait_for_line(process)

    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=20)

    assert process.returncode == 0
    assert '"event":"stopped"' in log


def test_a_second_signal_stops_what_does_not_listen() -> None:
    process = start("stubborn")
    wait_for_line(process)
    assert process.stderr is not None

    process.send_signal(signal.SIGTERM)
    while '"event":"stopping"' not in process.stderr.readline():
        pass
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)

    assert process.returncode == 1


def test_a_crash_is_logged_without_personal_data() -> None:
    process = start("crash")
    _, log = process.communicate(timeout=20)

    assert process.returncode == 1
    assert "ValueError" in log
    assert "jane@example.com" not in log


def test_a_crash_within_task_groups_is_logged_with_its_cause() -> None:
    process = start("crash within")
    _, log = process.communicate(timeout=20)

    assert process.returncode == 1
    assert """"error":"KeyError: 'the cause'\"""" in log


def test_a_wrong_setting_ends_with_a_readable_last_line() -> None:
    process = start("serve", SECRET_KEY="", KAFKA_BOOTSTRAP_SERVERS="")
    _, log = process.communicate(timeout=20)

    assert process.returncode == 78
    assert log.splitlines()[-1].startswith("demo: KAFKA_BOOTSTRAP_SERVERS: ")


def test_misconfigured_within_a_task_group_is_found() -> None:
    process = start("misconfigured")
    _, log = process.communicate(timeout=20)

    assert process.returncode == 78
    assert log.splitlines()[-1] == "demo: TOPIC: there is none"


def test_an_unknown_log_level_is_a_wrong_setting() -> None:
    process = start("serve", LOG_LEVEL="loud")
    _, log = process.communicate(timeout=20)

    assert process.returncode == 78
    assert "LOG_LEVEL" in log


async def test_a_service_that_has_not_built_its_parts_is_not_ready() -> None:
    async with a_shell() as shell, aiohttp.ClientSession() as session:
        async with session.get(f"{shell.health.url}/readyz") as response:
            assert response.status == 503
        shell.health.ready_when("parts", lambda: True)
        async with session.get(f"{shell.health.url}/readyz") as response:
            assert response.status == 200


async def test_a_stopping_service_is_not_ready_any_more() -> None:
    stop = asyncio.Event()
    async with a_shell(stop=stop) as shell, aiohttp.ClientSession() as session:
        shell.health.ready_when("parts", lambda: True)
        async with session.get(f"{shell.health.url}/readyz") as response:
            assert response.status == 200
        stop.set()
        async with session.get(f"{shell.health.url}/readyz") as response:
            assert response.status == 503
        async with session.get(f"{shell.health.url}/livez") as response:
            assert response.status == 200
