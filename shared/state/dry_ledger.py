"""Ledger and atomic writer for dry runs: they read what the real ones have stored, and store nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.runtime.clock import Clock
from shared.state.atomic_write import AtomicWriter, WriteAnswer, WriteSet
from shared.state.database import Database
from shared.state.ledger import Claim, Effect, Ledger


class DryLedger(Ledger):
    """Reads the database and never writes to it. Raises TargetDown without one."""

    def __init__(self, db: Database, clock: Clock) -> None:
        super().__init__(db, clock)
        self._now = clock.now
        self._claimed: dict[Effect, Claim] = {}

    async def claim(self, effect: Effect, intent: Mapping[str, Any] | None = None) -> Claim:
        known = (await self.of_key(effect.connection, effect.entity, effect.key)).get(effect.operation)
        return known or Claim("new", None if intent is None else dict(intent), self._now(), 1)

    async def done(self, effect: Effect, result: Mapping[str, Any]) -> None:
        self._claimed[effect] = Claim("done", dict(result), self._now(), 1)

    async def failed(self, effect: Effect, reason: str, seen: Claim | None = None) -> None:
        self._claimed[effect] = Claim("new", None, self._now(), 1)

    async def again(self, effect: Effect, seen: Claim | None = None) -> Claim:
        return Claim("new", None, self._now(), 1)

    async def of_key(self, connection: str, entity: str, key: str) -> dict[str, Claim]:
        claimed = {
            effect.operation: claim
            for effect, claim in self._claimed.items()
            if (effect.connection, effect.entity, effect.key) == (connection, entity, key)
        }
        return await super().of_key(connection, entity, key) | claimed


class DryAtomicWriter(AtomicWriter):
    """Grants claims as the real ledger would, and stores nothing. Raises TargetDown without a database."""

    def __init__(self, db: Database, clock: Clock, ledger: DryLedger | None = None) -> None:
        super().__init__(db, clock)
        self._known = ledger or DryLedger(db, clock)

    async def write(self, write_set: WriteSet) -> WriteAnswer:
        return WriteAnswer(
            {effect: await self._known.claim(effect, intent) for effect, intent in write_set.claims.items()}
        )
