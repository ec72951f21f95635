"""The effect ledger in memory. A test compares it with the real one, call by call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from shared.runtime.clock import Clock
from shared.state.ledger import Claim, Effect

At = Callable[[str, Callable[[], Any]], Awaitable[Any]]


@dataclass
class Effects:
    """What survives a crash. A claim here is `in_doubt`, `done` or `failed`."""

    effects: dict[str, Claim] = field(default_factory=dict)
    named: dict[str, Effect] = field(default_factory=dict)


async def _at_once(name: str, do: Callable[[], Any]) -> Any:
    return do()


class MemoryLedger:
    """`at` passes each call: it may wait or raise, before and after the call is carried out."""

    def __init__(self, clock: Clock, stored: Effects | None = None, at: At = _at_once) -> None:
        self.stored = stored or Effects()
        self._clock = clock
        self._at = at

    def states(self) -> dict[str, str]:
        """Operation -> in_doubt, done or failed."""
        return {effect.operation: self.stored.effects[name].state for name, effect in self.stored.named.items()}

    async def claim(self, effect: Effect, intent: Mapping[str, Any] | None = None) -> Claim:
        return await self._at("ledger.claim", lambda: self.take(effect, intent))

    def take(self, effect: Effect, intent: Mapping[str, Any] | None = None) -> Claim:
        there: Any = self.stored.effects.get(effect.id)
        if there is not None and there.state != "failed":
            return there
        return self._sent(effect, dict(intent) if intent is not None else None, there.attempts if there else 0)

    def _sent(self, effect: Effect, result: dict[str, Any] | None, attempts: int) -> Claim:
        made = Claim("in_doubt", result, self._clock.now(), attempts + 1)
        self.stored.named[effect.id] = effect
        self.stored.effects[effect.id] = made
        return replace(made, state="new")

    async def done(self, effect: Effect, result: Mapping[str, Any]) -> None:
        await self._at("ledger.done", lambda: self.settle(effect, result))

    async def failed(self, effect: Effect, reason: str, seen: Claim | None = None) -> None:
        await self._at("ledger.failed", lambda: self.settle(effect, None, seen))

    def settle(self, effect: Effect, result: Mapping[str, Any] | None, seen: Claim | None = None) -> None:
        """With a result it is done, without one it failed."""
        there = self.stored.effects.get(effect.id)
        if result is None:
            if there is not None and there.state == "in_doubt" and (seen is None or seen.sent_at == there.sent_at):
                self.stored.effects[effect.id] = replace(there, state="failed")  # type: ignore[arg-type]
            return
        self.stored.named[effect.id] = effect
        there = there or Claim("in_doubt", None, self._clock.now(), 1)
        if there.state != "done":
            self.stored.effects[effect.id] = replace(there, state="done", result=dict(result))

    async def again(self, effect: Effect, seen: Claim | None = None) -> Claim:
        return await self._at("ledger.again", lambda: self._again(effect, seen))

    def _again(self, effect: Effect, seen: Claim | None) -> Claim:
        there = self.stored.effects.get(effect.id)
        if there is None or (seen is not None and (there.sent_at != seen.sent_at or there.state == "done")):
            return self.take(effect)
        return self._sent(effect, None if there.state == "done" else there.result, there.attempts)

    async def of_key(self, connection: str, entity: str, key: str) -> dict[str, Claim]:
        return await self._at("ledger.of_key", lambda: self._of_key((connection, entity, key)))

    def _of_key(self, aggregate: tuple[str, str, str]) -> dict[str, Claim]:
        return {
            effect.operation: _free(self.stored.effects[name])
            for name, effect in self.stored.named.items()
            if (effect.connection, effect.entity, effect.key) == aggregate
        }

    async def in_doubt(self, system: str) -> int:
        states = ((self.stored.named[name].system, claim.state) for name, claim in self.stored.effects.items())
        return await self._at("ledger.in_doubt", lambda: sum(one == (system, "in_doubt") for one in states))


def _free(claim: Any) -> Claim:
    """As the ledger reports it: a failed effect may be claimed anew."""
    return replace(claim, state="new") if claim.state == "failed" else claim
