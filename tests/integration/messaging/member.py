"""A member of the group in a process of its own, which falls asleep in the middle of its work when it is told to.

Its first calls for key `a` go by `STEPS` (comma-separated): `park` raises Waiting; `sleep-park` and `sleep-apply` stop
the whole process by SIGSTOP and go on, once somebody sends SIGCONT, without a pause of the event loop: that is what a
zombie does before it can learn that it was replaced. Whatever else comes works once the file `GO` is there.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from pathlib import Path

from shared.entities.order.spec import CANONICAL_ORDER
from shared.errors import Waiting
from shared.messaging.kafka.producer import open_producer
from shared.messaging.record import Record, Result
from shared.runtime.clock import SystemClock
from shared.runtime.service import launch
from shared.runtime.settings import Settings
from shared.state.database import Database
from tests.integration.messaging.harness import QUICK, Harness, consuming

NAME = "member"


class Sleepwalker:
    """`done` is the file that tells what this member has carried out."""

    def __init__(self, steps: Sequence[str], done: Path, go: Path) -> None:
        self._steps = list(steps)
        self._done = done
        self._go = go

    async def __call__(self, records: Sequence[Record]) -> Result:
        event = records[0].envelope
        step = self._steps.pop(0) if self._steps and event.subject == "a" else ""
        if step.startswith("sleep"):
            os.kill(os.getpid(), signal.SIGSTOP)
        if step.endswith("park") or not (step or self._go.exists()):
            raise Waiting(f"{NAME} waits", waits_for="item:TEE")
        with self._done.open("a") as file:
            file.write(f"{event.id}\n")
        return Result("applied")


async def run(settings: Settings, stop: asyncio.Event) -> None:
    handle = Sleepwalker(os.environ["STEPS"].split(","), Path(os.environ["DONE"]), Path(os.environ["GO"]))
    async with (
        Database.open(settings.database_url, 2) as database,
        open_producer(settings, SystemClock()) as producer,
        consuming(Harness(settings, database, producer, CANONICAL_ORDER), handle, options=QUICK, stop=stop) as running,
    ):
        await running.task


if __name__ == "__main__":
    launch(NAME, Settings, run)
