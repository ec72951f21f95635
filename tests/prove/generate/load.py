"""Executes the planned changes: in order within a lifecycle, lifecycles concurrently; records each in the history."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from itertools import count

from tests.prove.generate.entities import GENERATORS
from tests.prove.generate.generator import Generator
from tests.prove.generate.plan import ChangeResult, Control, Json, PlannedChange, SubjectState
from tests.prove.generate.poison import Poison
from tests.prove.history import History, Mutation, stamp

_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.5, 4.0


class Load:
    """The load of one run. `waiting` are the names of subjects whose next change is not possible yet."""

    def __init__(
        self, seed: int, control: Control, history: History, generators: Sequence[Generator] = GENERATORS
    ) -> None:
        self._seed = seed
        self._control = control
        self._history = history
        self._generators = {generator.name: generator for generator in generators}
        self._numbers = count(1)
        self.waiting: set[str] = set()
        self.changes_made = 0

    async def prepare(self) -> None:
        """Creates the seed data in the sandbox."""
        for generator in self._generators.values():
            for path, body in generator.seed_data():
                await self._control("POST", path, body)

    async def run(self, changes: Iterable[PlannedChange]) -> None:
        """Returns when the last change has been made."""
        lifecycles: dict[tuple[str, int], list[PlannedChange]] = defaultdict(list)
        for change in sorted(changes, key=lambda one: one.at):
            lifecycles[self._generators[change.entity].subject, change.number].append(change)
        started = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for lifecycle in sorted(lifecycles.values(), key=lambda one: one[0].at):
                await _sleep_until(started + lifecycle[0].at)
                tasks.create_task(self._run_lifecycle(lifecycle, started))

    async def poison(self, poisons: Sequence[Poison], publish: Callable[[Poison], Awaitable[None]]) -> None:
        started = time.monotonic()
        for one in poisons:
            await _sleep_until(started + one.at)
            await publish(one)
            row = Mutation(0, "", "poison", "", "", "publish", 0, one.details, 200, {}, poison=True)
            self._append(row)

    async def create_unannounced(self, entity: str, document: Json) -> None:
        """Creates a subject in the shop without a webhook."""
        if create_unannounced := self._generators[entity].create_unannounced:
            subject, result = await create_unannounced(document, self._control)
            self._record(entity, subject, "new", subject.seq, result)

    async def _run_lifecycle(self, lifecycle: Sequence[PlannedChange], started: float) -> None:
        subject = SubjectState(self._seed, lifecycle[0].number)
        for change in lifecycle:
            await _sleep_until(started + change.at)
            result = await self._execute(change, subject)
            if change.seq and result.status < 300:
                subject.seq = change.seq
            self._record(change.entity, subject, change.action, change.seq, result)

    async def _execute(self, change: PlannedChange, subject: SubjectState) -> ChangeResult:
        wait = _FIRST_WAIT_SECONDS
        while (result := await self._generators[change.entity].execute(change, subject, self._control)) is None:
            self.waiting.add(subject.name)
            await asyncio.sleep(wait)
            wait = min(wait * 1.5, _LONGEST_WAIT_SECONDS)
        self.waiting.discard(subject.name)
        return result

    def _record(self, entity: str, subject: SubjectState, action: str, seq: int, result: ChangeResult) -> None:
        row = Mutation(
            n=0,
            at="",
            entity=entity,
            order=subject.id,
            name=subject.name,
            action=action,
            seq=seq,
            details=result.details,
            status=result.status,
            answer=result.answer,
            webhooks=(result.answer.get("webhook") or {}).get("ids", []),
            subject=self._generators[entity].subject,
        )
        self._append(row)

    def _append(self, row: Mutation) -> None:
        self.changes_made += 1
        self._history.record_mutation(replace(row, n=next(self._numbers), at=stamp()))


async def _sleep_until(moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - time.monotonic()))
