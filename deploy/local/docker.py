"""Runs broker and database in Docker (TILLBRIDGE_ENGINE=docker).

Testcontainers removes the containers.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from testcontainers.community.postgres import PostgresContainer
from testcontainers.core.container import DockerContainer

from deploy.local import database, jars, kafka
from deploy.local.ports import Ports
from shared.errors import Misconfigured

POSTGRES_IMAGE = f"postgres:{database.MAJOR}-alpine"
_READY_SECONDS = 120.0
_INSIDE, _CONTROLLER = 9092, 9093


@dataclass(frozen=True, slots=True)
class Container:
    address: str
    version: str
    obtained: str


def kafka_image() -> str:
    """The same version as the embedded broker."""
    return f"apache/kafka:{jars.kafka_version(jars.locked_jars())}"


def kafka_environ(host: str, port: int) -> dict[str, str]:
    """Broker properties as variables of the image: `log.dirs` is KAFKA_LOG_DIRS.

    Setting one disables all presets.
    """
    values = {
        **kafka.ONE_NODE,
        "controller.quorum.voters": f"1@localhost:{_CONTROLLER}",
        "listeners": f"PLAINTEXT://:{_INSIDE},CONTROLLER://:{_CONTROLLER}",
        "advertised.listeners": f"PLAINTEXT://{host}:{port}",
    }
    return {"KAFKA_" + name.upper().replace(".", "_"): value for name, value in values.items()}


@asynccontextmanager
async def open_kafka_container(ports: Ports) -> AsyncIterator[Container]:
    """Yields a ready broker.

    Raises Misconfigured if Docker is missing or the broker does not become ready.
    """
    await asyncio.to_thread(require_docker)
    port, image = ports.reserve(), kafka_image()
    # The advertised address needs the host port, so that must be known before the start.
    container = DockerContainer(image).with_bind_ports(_INSIDE, port)
    host = await asyncio.to_thread(container.get_container_host_ip)
    for name, value in kafka_environ(host, port).items():
        container.with_env(name, value)
    async with _started(container):
        await kafka.wait_until_ready(f"{host}:{port}", _READY_SECONDS)
        yield Container(f"{host}:{port}", image.split(":")[1], f"container {image} (testcontainers)")


@asynccontextmanager
async def open_postgres_container() -> AsyncIterator[Container]:
    await asyncio.to_thread(require_docker)
    container = PostgresContainer(POSTGRES_IMAGE, dbname=database.DATABASE, driver=None)
    async with _started(container):
        url = await asyncio.to_thread(container.get_connection_url)
        yield Container(url, str(database.MAJOR), f"container {POSTGRES_IMAGE} (testcontainers)")


@asynccontextmanager
async def _started(container: DockerContainer) -> AsyncIterator[None]:
    try:
        await asyncio.to_thread(container.start)
        yield
    finally:
        with suppress(Exception):  # testcontainers' reaper removes containers that could not be stopped
            await asyncio.to_thread(container.stop)


def require_docker() -> None:
    """Raises Misconfigured without Docker.

    Checks in a subprocess: the docker package leaks sockets on failure.
    """
    ping = [sys.executable, "-c", "import docker; docker.from_env().ping()"]
    if subprocess.run(ping, capture_output=True, check=False).returncode != 0:
        raise Misconfigured(
            "TILLBRIDGE_ENGINE=docker, but no Docker daemon answers: start Docker, or unset TILLBRIDGE_ENGINE"
        )
