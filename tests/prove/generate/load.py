"""Carries the plan out: the changes of a life one by one, many lives side by side, each noted as it is done."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from itertools import count

from tests.prove.generate.entities import GENERATORS
from tests.prove.generate.generator import Generator
from tests.prove.generate.plan import Control, Done, Json, Placed, Planned
from tests.prove.generate.poison import Poison
from tests.prove.history import History, Mutation, stamp

_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.5, 4.0


class Load:
    """One run's changes. `waiting` are the names of those whose next change waits for what the system does."""

    def __init__(
        self, seed: int, control: Control, history: History, generators: Sequence[Generator] = GENERATORS
    ) -> None:
        self._seed = seed
        self._control = control
        self._history = history
        self._generators = {generator.name: generator for generator in generators}
        self._numbers = count(1)
        self.waiting: set[str] = set()
        self.done = 0

    async def stock(self) -> None:
        """Gives the sandbox what the changes need."""
        for generator in self._generators.values():
            for path, body in generator.stock():
                await self._control("POST", path, body)

    async def run(self, steps: Iterable[Planned]) -> None:
        """Returns when the last change is made."""
        lives: dict[tuple[str, int], list[Planned]] = defaultdict(list)
        for step in sorted(steps, key=lambda one: one.at):
            lives[self._generators[step.entity].subject, step.number].append(step)
        started = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for life in sorted(lives.values(), key=lambda one: one[0].at):
                await _until(started + life[0].at)
                tasks.create_task(self._live(life, started))

    async def poison(self, poisons: Sequence[Poison], publish: Callable[[Poison], Awaitable[None]]) -> None:
        started = time.monotonic()
        for one in poisons:
            await _until(started + one.at)
            await publish(one)
            row = Mutation(0, "", "poison", "", "", "publish", 0, one.details, 200, {}, poison=True)
            self._note(row)

    async def place(self, entity: str, document: Json) -> None:
        """One of its own, of which the shop tells nobody."""
        if place := self._generators[entity].place:
            placed, done = await place(document, self._control)
            self._made(entity, placed, "new", placed.seq, done)

    async def _live(self, life: Sequence[Planned], started: float) -> None:
        placed = Placed(self._seed, life[0].number)
        for step in life:
            await _until(started + step.at)
            done = await self._carry_out(step, placed)
            if step.seq and done.status < 300:
                placed.seq = step.seq
            self._made(step.entity, placed, step.action, step.seq, done)

    async def _carry_out(self, step: Planned, placed: Placed) -> Done:
        wait = _FIRST_WAIT_SECONDS
        while (done := await self._generators[step.entity].carry_out(step, placed, self._control)) is None:
            self.waiting.add(placed.name)
            await asyncio.sleep(wait)
            wait = min(wait * 1.5, _LONGEST_WAIT_SECONDS)
        self.waiting.discard(placed.name)
        return done

    def _made(self, entity: str, placed: Placed, action: str, seq: int, done: Done) -> None:
        row = Mutation(
            n=0,
            at="",
            entity=entity,
            order=placed.id,
            name=placed.name,
            action=action,
            seq=seq,
            details=done.details,
            status=done.status,
            answer=done.answer,
            webhooks=(done.answer.get("webhook") or {}).get("ids", []),
            subject=self._generators[entity].subject,
        )
        self._note(row)

    def _note(self, row: Mutation) -> None:
        self.done += 1
        self._history.mutated(replace(row, n=next(self._numbers), at=stamp()))


async def _until(moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - time.monotonic()))
