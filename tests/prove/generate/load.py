"""Carries the plan out: the changes of an order one by one, many orders side by side, each noted as it is done."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from itertools import count
from typing import Any

from tests.prove.generate import fulfilment, order
from tests.prove.generate.plan import Control, Done, Json, Placed, Planned
from tests.prove.generate.poison import Poison
from tests.prove.history import History, Mutation, stamp

CarryOut = Callable[[Planned, Placed, Control], Awaitable[Done | None]]
# An entity joins the load by its generator's `plan` and `carry_out`.
ENTITIES: Mapping[str, CarryOut] = {order.ENTITY: order.carry_out, fulfilment.ENTITY: fulfilment.carry_out}
_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.5, 4.0


class Load:
    """One run's changes. `waiting` are the orders whose next change waits for what the system does."""

    def __init__(self, seed: int, control: Control, history: History) -> None:
        self._seed = seed
        self._control = control
        self._history = history
        self._numbers = count(1)
        self.waiting: set[int] = set()
        self.done = 0

    async def run(self, steps: Iterable[Planned]) -> None:
        """Returns when the last change is made."""
        lives: dict[int, list[Planned]] = defaultdict(list)
        for step in sorted(steps, key=lambda one: one.at):
            lives[step.number].append(step)
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
            self._note("poison", "", "", "publish", 0, Done(200, {}, one.details), poison=True)

    async def place(self, document: Json) -> None:
        """An order of its own, of which the shop tells nobody."""
        status, answer = await self._control("POST", "/shopify/orders?items=false", {**document, "webhook": False})
        done = Done(status, answer, {"document": document, "how": ""})
        self._note(order.ENTITY, str(document["id"]), document["name"], "new", 1, done)

    async def _live(self, life: Sequence[Planned], started: float) -> None:
        placed = Placed(self._seed, life[0].number)
        for step in life:
            await _until(started + step.at)
            done = await self._carry_out(step, placed)
            if step.seq and done.status < 300:
                placed.seq = step.seq
            self._note(step.entity, placed.id, placed.name, step.action, step.seq, done)

    async def _carry_out(self, step: Planned, placed: Placed) -> Done:
        wait = _FIRST_WAIT_SECONDS
        while (done := await ENTITIES[step.entity](step, placed, self._control)) is None:
            self.waiting.add(placed.number)
            await asyncio.sleep(wait)
            wait = min(wait * 1.5, _LONGEST_WAIT_SECONDS)
        self.waiting.discard(placed.number)
        return done

    def _note(
        self, entity: str, order_id: str, name: str, action: str, seq: int, done: Done, *, poison: bool = False
    ) -> None:
        self.done += 1
        row = Mutation(
            n=next(self._numbers),
            at=stamp(),
            entity=entity,
            order=order_id,
            name=name,
            action=action,
            seq=seq,
            details=done.details,
            status=done.status,
            answer=_small(done.answer),
            webhooks=(done.answer.get("webhook") or {}).get("ids", []),
            poison=poison,
        )
        self._history.mutated(row)


def _small(answer: Mapping[str, Any]) -> Json:
    """Without the whole order, which a cancellation answers with: the books have it."""
    left_out = ("order", "transactions", "fulfillment_orders", "fulfillments", "metafields", "tags")
    return {name: value for name, value in answer.items() if name not in left_out}


async def _until(moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - time.monotonic()))
