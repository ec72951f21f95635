"""Runs the reconciler: compares both systems and has missed changes written by the other services."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from itertools import product
from typing import Any

from services.reconciler.settings import Settings
from services.reconciler.subject_loop import SubjectLoop
from services.reconciler.subject_metrics import SubjectMetrics
from shared.entities.settings_model import settings_check
from shared.entities.spec import Spec
from shared.entities.table import ENTITIES, check
from shared.operations.comparison.parts import Parts, open_parts
from shared.operations.comparison.subjects import subjects
from shared.runtime.service import Shell, launch, open_shell
from shared.state.connections import open_connections
from shared.state.cursors import Cursors
from shared.state.database import Database
from shared.state.database_clock import open_database_clock
from shared.state.leases import Leases, open_leases
from shared.sync.comparison import Subject
from shared.sync.comparison_memory import Memory

NAME = "reconciler"
_NEW_CONNECTIONS_SECONDS = 5.0


async def run(settings: Settings, stop: asyncio.Event, entities: Sequence[Spec] = ENTITIES) -> None:
    """Compare all subjects of all connections until `stop`."""
    check(entities)
    compared = subjects(entities)
    async with (
        open_shell(NAME, settings, stop) as shell,
        Database.open(settings.database_url, settings.database_pool_size) as database,
        open_database_clock(database, shell) as shell,
        open_connections(database, settings, shell.log, check=settings_check(entities)) as connections,
        open_parts(settings, database, connections, shell.metrics, shell.clock) as parts,
        open_leases(settings.database_url) as leases,
    ):
        shell.health.ready_when("started", lambda: True)
        async with asyncio.TaskGroup() as tasks:
            loops: dict[tuple[str, str], asyncio.Task[None]] = {}
            while not stop.is_set():
                for name, subject in product(connections.names(), compared):
                    key = name, subject.name
                    if key not in loops or loops[key].done():
                        loops[key] = tasks.create_task(_loop(settings, shell, parts, leases, name, subject).run(stop))
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), _NEW_CONNECTIONS_SECONDS)
            # A pass may take long and may be interrupted anywhere: the next one finds the same differences.
            for task in loops.values():
                task.cancel()


def _loop(
    settings: Settings, shell: Shell, parts: Parts, leases: Leases, name: str, subject: Subject[Any]
) -> SubjectLoop:
    return SubjectLoop(
        name,
        subject,
        # A new pass each time, since a connection may change; they share the memory of records that agreed.
        partial(parts.pass_over, name, subject, Memory()),
        present=lambda: parts.connections.get(name) is not None,
        leases=leases,
        settings=settings,
        cursors=Cursors(parts.database),
        ledger=parts.ledger,
        clock=shell.clock,
        log=shell.log,
        metrics=SubjectMetrics(shell.metrics, name, subject.name),
        alert=parts.producer.alert,
    )


if __name__ == "__main__":
    launch(NAME, Settings, run)
