"""Samples memory, committed offsets and effects in doubt during a run."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import asyncpg
import orjson
import psutil

from shared.errors import TargetDown
from tests.prove.cluster import Cluster
from tests.prove.history import stamp
from tests.prove.kafka_client import UNREACHABLE, KafkaClient

Json = dict[str, Any]
_MEMORY_SECONDS, _IN_DOUBT_SECONDS = 2.0, 1.0
# An effect that has had no outcome for longer than a normal call is in doubt.
IN_DOUBT_QUERY = """
    select effect_id, system, operation, key from effects
     where state = 'sent' and sent_at < clock_timestamp() - interval '2 seconds' order by sent_at"""


class Samples:
    """Made by `open_samples`. `ever_in_doubt` are the ids of all effects that were in doubt at some time."""

    def __init__(self, cluster: Cluster, kafka: KafkaClient, memory: BinaryIO, offsets: BinaryIO) -> None:
        self._cluster = cluster
        self._kafka = kafka
        self._memory = memory
        self._offsets = offsets
        self.ever_in_doubt: set[str] = set()

    async def watch(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch_memory())
            tasks.create_task(self._watch_in_doubt())

    async def note_offsets(self, why: str) -> bool:
        """Records all committed offsets; False if the broker is unreachable, when no group can commit either."""
        try:
            committed = await self._kafka.committed()
        except UNREACHABLE:
            return False
        at = stamp()  # taken after the answer: what was committed while we asked was finished by now
        for row in self._kafka.rows(committed):
            _append(self._offsets, {"at": at, "why": why, **row})
        return True

    async def currently_in_doubt(self) -> dict[str, str]:
        """Effects in doubt now: id to description. Raises TargetDown if the database is unreachable."""
        rows = await self._cluster.state_db.fetch(IN_DOUBT_QUERY)
        return {row["effect_id"]: f"{row['operation']} of {row['key']} in {row['system']}" for row in rows}

    async def _watch_memory(self) -> None:
        while True:
            for process, pid in self._cluster.pids.items():
                if (rss := _rss(pid)) is not None:
                    _append(self._memory, {"at": stamp(), "process": process, "pid": pid, "rss": rss})
            await asyncio.sleep(_MEMORY_SECONDS)

    async def _watch_in_doubt(self) -> None:
        while True:
            # What is in doubt while the database is unreachable is still in doubt when it returns.
            with suppress(TargetDown, asyncpg.PostgresError):
                self.ever_in_doubt.update(await self.currently_in_doubt())
            await asyncio.sleep(_IN_DOUBT_SECONDS)


@contextmanager
def open_samples(cluster: Cluster, kafka: KafkaClient, folder: Path) -> Iterator[Samples]:
    with (folder / "memory.jsonl").open("ab", 0) as memory, (folder / "offsets.jsonl").open("ab", 0) as offsets:
        yield Samples(cluster, kafka, memory, offsets)


def _rss(pid: int) -> int | None:
    try:
        return int(psutil.Process(pid).memory_info().rss) if pid else None
    except psutil.Error:
        return None


def _append(file: BinaryIO, row: Json) -> None:
    file.write(orjson.dumps(row) + b"\n")
