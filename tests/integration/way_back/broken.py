"""A shop and a ledger that break at one chosen call: before it has its effect, or after."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from copy import deepcopy
from typing import Any

from services.sandbox.shopify import shop as vendor
from shared.connectors.shopify.client import ShopifyClient
from shared.connectors.shopify.document import Document
from shared.limits.call_context import CallContext
from shared.state.atomic_write import AtomicWriter, WriteAnswer, WriteSet
from shared.state.ledger import Claim, Effect, Ledger
from tests.support.clock import FakeClock
from tests.support.sandbox import Sandbox

Strike = Callable[[int, str, bool], None]


class Points:
    """Every call passes here twice. `strike` may raise: its number, its name, whether it has had its effect."""

    def __init__(self) -> None:
        self.passed: list[str] = []
        self.strike: Strike = lambda number, name, after: None

    async def at(self, name: str, call: Callable[[], Awaitable[Any]]) -> Any:
        self.passed.append(name)
        number = len(self.passed)
        self.strike(number, name, False)
        result = await call()
        self.strike(number, name, True)
        return result


class BrokenLedger:
    """The real ledger, with points."""

    def __init__(self, ledger: Ledger, points: Points) -> None:
        self._ledger, self._points = ledger, points

    async def claim(self, effect: Effect, intent: Mapping[str, Any] | None = None) -> Claim:
        claim: Claim = await self._points.at("claim", lambda: self._ledger.claim(effect, intent))
        return claim

    async def done(self, effect: Effect, result: Mapping[str, Any]) -> None:
        await self._points.at("done", lambda: self._ledger.done(effect, result))

    async def failed(self, effect: Effect, reason: str, seen: Claim | None = None) -> None:
        await self._points.at("failed", lambda: self._ledger.failed(effect, reason, seen))

    async def again(self, effect: Effect, seen: Claim | None = None) -> Claim:
        claim: Claim = await self._points.at("again", lambda: self._ledger.again(effect, seen))
        return claim

    async def of_key(self, connection: str, entity: str, key: str) -> dict[str, Claim]:
        found: dict[str, Claim] = await self._points.at("of_key", lambda: self._ledger.of_key(connection, entity, key))
        return found


class BrokenAtomicWriter:
    """The real atomic writer, with points."""

    def __init__(self, writer: AtomicWriter, points: Points) -> None:
        self._writer, self._points = writer, points

    async def write(self, write_set: WriteSet) -> WriteAnswer:
        answer: WriteAnswer = await self._points.at("atomic_write", lambda: self._writer.write(write_set))
        return answer


class BrokenClient:
    """The shop's client, with points. For `lag_seconds` after a mutation, reads show the order as it was before."""

    def __init__(self, client: ShopifyClient, points: Points, sandbox: Sandbox, clock: FakeClock, lag: float) -> None:
        self._client, self._points, self._clock, self._lag = client, points, clock, lag
        self._orders = vendor.of(sandbox.world).orders
        self._before: tuple[float, Any] | None = None

    async def execute(self, document: Document, variables: Mapping[str, Any], context: CallContext) -> dict[str, Any]:
        data: dict[str, Any] = await self._points.at(document.name, lambda: self._execute(document, variables, context))
        return data

    async def _execute(self, document: Document, variables: Mapping[str, Any], context: CallContext) -> dict[str, Any]:
        order = max(entry.id for entry in self._orders.entries())
        if document.mutates:
            if self._lag:
                self._before = (self._clock.monotonic(), deepcopy(self._orders.get(order)))
            return await self._client.execute(document, variables, context)
        if self._before is None or self._clock.monotonic() - self._before[0] >= self._lag:
            return await self._client.execute(document, variables, context)
        now = deepcopy(self._orders.get(order))
        self._orders.put(deepcopy(self._before[1]), 0)
        try:
            return await self._client.execute(document, variables, context)
        finally:
            assert now is not None
            self._orders.put(now, 0)
