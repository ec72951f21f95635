"""The ledger in memory, on which the crash tests and the models stand, answers as the real one does."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from shared.state.database import Database
from shared.state.ledger import Claim, Effect, Ledger
from tests.support.clock import FakeClock
from tests.support.memory_ledger import MemoryLedger

EFFECTS = [
    Effect(connection, system, "order", key, operation)
    for connection in ("main", "other")
    for system, key in (("heartland", "1"), ("shopify", "2"))
    for operation in ("order:create", "payment:1")
]


class Both:
    """Each call goes to both; their answers must be the same."""

    def __init__(self, real: Any, memory: Any, random: Random) -> None:
        self._real, self._memory, self._random = real, memory, random
        self._seen: dict[Effect, list[Claim]] = {}

    async def ask(self, name: str, *arguments: Any) -> Any:
        real, memory = [await getattr(one, name)(*arguments) for one in (self._real, self._memory)]
        assert real == memory, (name, arguments)
        return real

    async def step(self) -> None:
        random, effect = self._random, self._random.choice(EFFECTS[:5])
        match random.choice(
            ("claim", "claim", "done", "failed", "again", "failed seen", "again seen", "of_key", "in_doubt")
        ):
            case "claim":
                claim = await self.ask("claim", effect, random.choice((None, {"parts": [random.randint(1, 9)]})))
                self._seen.setdefault(effect, []).append(claim)
            case "done":
                await self.ask("done", effect, {"id": random.randint(1, 9)})
            case "failed":
                await self.ask("failed", effect, "refused")
            case "again":
                await self.ask("again", effect)
            case "failed seen":
                if effect in self._seen:
                    await self.ask("failed", effect, "refused", random.choice(self._seen[effect]))
            case "again seen":
                if effect in self._seen:
                    await self.ask("again", effect, random.choice(self._seen[effect]))
            case "of_key":
                await self.ask("of_key", effect.connection, "order", effect.key)
            case _:
                await self.ask("in_doubt", effect.system)


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_is_asked_both_answer_alike(db: Database, seed: int) -> None:
    clock, random = FakeClock(), Random(seed)
    both = Both(Ledger(db, clock), MemoryLedger(clock), random)

    for _ in range(100):
        clock.advance(random.choice((0, 0, 1, 30)))
        await both.step()
    for effect in EFFECTS:
        await both.ask("of_key", effect.connection, "order", effect.key)
