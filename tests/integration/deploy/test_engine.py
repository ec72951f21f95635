"""The engine as a whole: what is given is taken, what is missing is said, and nothing outlives its parent."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from deploy.local import docker
from deploy.local.engine import Engine, open_engine
from deploy.local.ports import Ports
from shared.errors import Misconfigured
from tests.support.processes import Parent, is_running, until

# Opens an engine and says which processes it consists of.
PROGRAM = """
import asyncio, json, os, pathlib
from deploy.local.engine import open_engine

async def main():
    async with open_engine({**os.environ}, pathlib.Path(os.environ["FOLDER"])) as engine:
        print(json.dumps({"pids": [engine.broker.pid, engine.database.pid]}), flush=True)
        await asyncio.sleep(300)

asyncio.run(main())
"""
NOT_GIVEN = {"KAFKA_BOOTSTRAP_SERVERS": "", "DATABASE_URL": "", "TILLBRIDGE_ENGINE": ""}


@pytest.fixture
def closed_port() -> int:
    with Ports() as ports:
        return ports.reserve()


async def complaint(environ: dict[str, str], folder: Path) -> str:
    with pytest.raises(Misconfigured) as refused:
        async with open_engine({**NOT_GIVEN, **environ}, folder):
            raise AssertionError
    assert "\n" not in refused.value.reason
    return refused.value.reason


async def test_a_parent_killed_with_kill_9_leaves_no_broker_and_no_database(disk_folder: Path) -> None:
    parent = await Parent.start(PROGRAM, {**NOT_GIVEN, "FOLDER": str(disk_folder)})
    pids = parent.said["pids"]
    assert all(map(is_running, pids))

    await parent.kill()

    await until(lambda: not any(map(is_running, pids)))


async def test_two_engines_started_at_the_same_moment_do_not_collide(disk_folder: Path) -> None:
    parents = await asyncio.gather(
        *(Parent.start(PROGRAM, {**NOT_GIVEN, "FOLDER": str(disk_folder / name)}) for name in ("one", "two"))
    )

    pids = [pid for parent in parents for pid in parent.said["pids"]]

    assert len(set(pids)) == 4
    assert all(map(is_running, pids))
    await asyncio.gather(*(parent.kill() for parent in parents))
    await until(lambda: not any(map(is_running, pids)))


async def test_servers_that_are_given_are_taken_and_nothing_is_started(engine: Engine, disk_folder: Path) -> None:
    given = {"KAFKA_BOOTSTRAP_SERVERS": engine.bootstrap_servers, "DATABASE_URL": engine.database_url}

    async with open_engine({**given, "TOPIC_PREFIX": "mine."}, disk_folder) as found:
        assert (found.bootstrap_servers, found.database_url) == (engine.bootstrap_servers, engine.database_url)
        assert (found.broker, found.database, found.topic_prefix) == (None, None, "mine.")
        assert found.database_info.version == engine.database_info.version

    assert not (disk_folder / "kafka").exists()
    assert not (disk_folder / "postgres").exists()


async def test_a_given_broker_that_does_not_answer_is_named(
    engine: Engine, disk_folder: Path, closed_port: int
) -> None:
    servers = f"127.0.0.1:{closed_port}"

    said = await complaint({"KAFKA_BOOTSTRAP_SERVERS": servers, "DATABASE_URL": engine.database_url}, disk_folder)

    assert said == f"no Kafka broker answers at {servers}: start it, or correct or unset KAFKA_BOOTSTRAP_SERVERS"


async def test_a_given_database_that_does_not_answer_is_named_without_its_password(
    engine: Engine, disk_folder: Path, closed_port: int
) -> None:
    url = f"postgresql://me:hush@127.0.0.1:{closed_port}/till"

    said = await complaint({"KAFKA_BOOTSTRAP_SERVERS": engine.bootstrap_servers, "DATABASE_URL": url}, disk_folder)

    assert said.startswith(f"no database at 127.0.0.1:{closed_port}/till (")
    assert said.endswith("start it, or correct or unset DATABASE_URL")
    assert "hush" not in said


async def test_docker_without_a_daemon_is_said(disk_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{disk_folder}/none.sock")

    with pytest.raises(Misconfigured, match="no Docker daemon answers: start Docker, or unset TILLBRIDGE_ENGINE"):
        docker.require_docker()


async def test_an_engine_in_containers_without_docker_says_what_to_do(
    disk_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{disk_folder}/none.sock")

    assert "start Docker" in await complaint({"TILLBRIDGE_ENGINE": "docker"}, disk_folder)


async def test_a_first_run_without_a_network_says_what_to_do(
    engine: Engine, disk_folder: Path, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{closed_port}")
    given = {"TILLBRIDGE_CACHE": str(disk_folder / "cache"), "DATABASE_URL": engine.database_url}

    assert "could not be downloaded" in await complaint(given, disk_folder)
    assert not list((disk_folder / "cache").rglob("*.jar"))
