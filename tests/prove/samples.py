"""What is noted on the side while a run goes on: memory, committed offsets, effects in doubt."""

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
from tests.prove.log import AWAY, Log

Json = dict[str, Any]
_MEMORY_SECONDS, _DOUBT_SECONDS = 2.0, 1.0
# An effect without an outcome is only under way for a moment; for longer, nobody knows what came of it.
IN_DOUBT = """
    select effect_id, system, operation, key from effects
     where state = 'sent' and sent_at < clock_timestamp() - interval '2 seconds' order by sent_at"""


class Samples:
    """Made by `open_samples`; the tasks end with the run. `doubts` are all effects that were ever in doubt."""

    def __init__(self, cluster: Cluster, log: Log, memory: BinaryIO, offsets: BinaryIO) -> None:
        self._cluster = cluster
        self._log = log
        self._memory = memory
        self._offsets = offsets
        self.doubts: set[str] = set()

    async def watch(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch_memory())
            tasks.create_task(self._watch_doubts())

    async def note_offsets(self, why: str) -> bool:
        """Whether the broker said how far everybody is; while it is away nobody gets any further."""
        try:
            committed = await self._log.committed()
        except AWAY:
            return False
        at = stamp()  # not before: what was committed while we asked was finished by now
        for row in self._log.rows(committed):
            _append(self._offsets, {"at": at, "why": why, **row})
        return True

    async def open_doubts(self) -> dict[str, str]:
        """Effects in doubt now, by id, in words. Raises TargetDown without a database."""
        rows = await self._cluster.books.fetch(IN_DOUBT)
        return {row["effect_id"]: f"{row['operation']} of {row['key']} in {row['system']}" for row in rows}

    async def _watch_memory(self) -> None:
        while True:
            for process, pid in self._cluster.pids.items():
                if (rss := _rss(pid)) is not None:
                    _append(self._memory, {"at": stamp(), "process": process, "pid": pid, "rss": rss})
            await asyncio.sleep(_MEMORY_SECONDS)

    async def _watch_doubts(self) -> None:
        while True:
            # With the database away, whatever is in doubt still is when it comes back.
            with suppress(TargetDown, asyncpg.PostgresError):
                self.doubts.update(await self.open_doubts())
            await asyncio.sleep(_DOUBT_SECONDS)


@contextmanager
def open_samples(cluster: Cluster, log: Log, folder: Path) -> Iterator[Samples]:
    with (folder / "memory.jsonl").open("ab", 0) as memory, (folder / "offsets.jsonl").open("ab", 0) as offsets:
        yield Samples(cluster, log, memory, offsets)


def _rss(pid: int) -> int | None:
    try:
        return int(psutil.Process(pid).memory_info().rss) if pid else None
    except psutil.Error:
        return None


def _append(file: BinaryIO, row: Json) -> None:
    file.write(orjson.dumps(row) + b"\n")
