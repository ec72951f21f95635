"""Folders, databases and topic prefixes for tests, on the broker and database that a test run starts."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import asyncpg

from deploy.local.database import with_database
from deploy.local.engine import Engine
from deploy.local.locks import try_lock

ROOT = Path(__file__).resolve().parents[2]
# 32 bytes in base64, the same in every test.
SECRET_KEY = "dGlsbGJyaWRnZS10ZXN0cy0zMi1ieXRlcy1vZi1rZXk="


@contextmanager
def run_folder(parent: Path = ROOT / "build" / "tests") -> Iterator[Path]:
    """A folder on a real disk (a temporary one may be in memory); removes the folders of killed runs."""
    parent.mkdir(parents=True, exist_ok=True)
    sweep(parent)
    # Another process that sweeps may hold a new lock for a moment: then another name is as good.
    name = uuid.uuid4().hex[:8]
    while (lock := try_lock(parent / f"{name}.lock")) is None:
        name = uuid.uuid4().hex[:8]
    folder = parent / name
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        (parent / f"{name}.lock").unlink()
        lock.close()


def sweep(parent: Path) -> None:
    for path in parent.glob("*.lock"):
        lock = try_lock(path)
        if lock is not None:
            shutil.rmtree(path.with_suffix(""), ignore_errors=True)
            path.unlink(missing_ok=True)
            lock.close()


def new_prefix() -> str:
    return f"t{uuid.uuid4().hex[:10]}."


@asynccontextmanager
async def fresh_database(server_url: str, template: str | None = None) -> AsyncIterator[str]:
    """A new database, a copy of `template` if given; dropped afterwards even if clients are connected."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    source = f" template {template}" if template else ""
    await run_sql(server_url, f"create database {name}{source}")
    try:
        yield with_database(server_url, name)
    finally:
        await run_sql(server_url, f"drop database if exists {name} with (force)")


async def run_sql(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def service_environ(engine: Engine, *, topic_prefix: str, database_url: str, **more: str) -> Mapping[str, str]:
    """The environment with which any service runs against the engine; `more` adds variables."""
    return {
        "KAFKA_BOOTSTRAP_SERVERS": engine.bootstrap_servers,
        "TOPIC_PREFIX": topic_prefix,
        "DATABASE_URL": database_url,
        "SECRET_KEY": SECRET_KEY,
        **more,
    }
