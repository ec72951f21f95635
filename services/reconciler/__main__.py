"""The reconciler: compares both systems for ever, and sends what was missed through the one road."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime
from functools import partial

from services.reconciler.parts import Parts, open_parts
from services.reconciler.passes import Outcome, Pass
from services.reconciler.settings import Settings
from services.reconciler.watch import Watch
from shared.runtime.service import Shell, launch, open_shell
from shared.state.connections import open_connections
from shared.state.cursors import Cursors
from shared.state.database import Database

NAME = "reconciler"
_NEW_CONNECTIONS_SECONDS = 5.0


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Compare until `stop`."""
    async with (
        open_shell(NAME, settings, stop) as shell,
        Database.open(settings.database_url, settings.database_pool_size) as database,
        open_connections(database, settings, shell.log) as connections,
        open_parts(settings, database, connections, shell.metrics, shell.clock) as parts,
    ):
        shell.health.ready_when("started", lambda: True)
        async with asyncio.TaskGroup() as tasks:
            watched: set[str] = set()
            while not stop.is_set():
                for name in set(connections.names()) - watched:
                    watched.add(name)
                    tasks.create_task(_watch(shell, parts, name).run(stop))
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), _NEW_CONNECTIONS_SECONDS)


def _watch(shell: Shell, parts: Parts, name: str) -> Watch:
    verified: dict[str, datetime] = {}

    def passes() -> Pass:
        """Made anew, since a connection may change, but remembering what was verified."""
        fresh = parts.pass_over(name)
        fresh.verified = verified
        return fresh

    return Watch(
        name,
        passes,
        settings=parts.settings,
        cursors=Cursors(parts.database),
        ledger=parts.ledger,
        clock=shell.clock,
        log=shell.log,
        tell=partial(_tell, shell),
    )


def _tell(shell: Shell, outcome: Outcome) -> None:
    metrics = shell.metrics
    metrics.events_in.labels("order").inc(outcome.compared)
    for row in outcome.found:
        metrics.drift_found.labels(row.entity, row.kind).inc()
    for row in outcome.repaired:
        metrics.drift_repaired.labels(row.entity, row.kind).inc()
        shell.log.info("repaired", connection=row.connection, entity=row.entity, key=row.key, kind=row.kind)
    metrics.drift_at_risk.set(float(sum(row.at_risk for row in outcome.found)))
    metrics.drift_passed_at.set(shell.clock.now().timestamp())


if __name__ == "__main__":
    launch(NAME, Settings, run)
