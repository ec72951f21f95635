"""Calls whose outcome is not known: looked up in Shopify, never repeated blindly."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from shared.connectors.shopify.client import ShopifyClient
from shared.entities.fulfilment.shopify.allocation import FulfilmentCall, candidates, is_made_by
from shared.entities.fulfilment.to_shopify.queries import complete_fulfilment, read_fulfilments
from shared.errors import TargetDown
from shared.limits.call_context import CallContext
from shared.runtime.clock import Clock
from shared.state.ledger import Claim, Effect, Ledger


class InDoubtCalls:
    """Settles fulfilments in doubt. A fulfilment may stay invisible to reads for `read_lag_seconds`."""

    def __init__(self, ledger: Ledger, clock: Clock, read_lag_seconds: float) -> None:
        self._ledger = ledger
        self._clock = clock
        self._read_lag_seconds = read_lag_seconds
        self._lost: dict[str, float] = {}

    def lost(self, effect: Effect) -> None:
        """The answer did not come. Shopify may have worked on it until now, so its lag begins only now."""
        self._lost[effect.id] = self._clock.monotonic()

    async def settle(
        self,
        doubtful: Mapping[Effect, Claim],
        order_id: str,
        shopify: ShopifyClient,
        known: Collection[str],
        context: CallContext,
        taken_at: datetime | None = None,
    ) -> None:
        """Each of the effects is done, or may be claimed anew. Raises TargetDown while that cannot be told.

        Before `taken_at` the order was another process's, whose call may have waited for its turn until then.
        """
        order = await read_fulfilments(shopify, order_id, context)
        taken = set(known)
        for effect, claim in doubtful.items():
            found = await _find(order, FulfilmentCall.read(claim.result or {}), shopify, taken, context)
            if found is None:
                await self._give_back(effect, claim, taken_at)
            else:
                await self._ledger.done(effect, {**(claim.result or {}), "fulfilment": found})
                taken.add(found)
            self._lost.pop(effect.id, None)

    async def _give_back(self, effect: Effect, claim: Claim, taken_at: datetime | None) -> None:
        wait = self._read_lag_seconds - self._quiet_seconds(effect, claim, taken_at)
        if wait > 0:
            raise TargetDown("a fulfilment is in doubt, and may not show yet", after=wait)
        # Of two processes that found it missing, one may have sent it anew by now: only who still sees the same
        # call may give it back.
        mine = await self._ledger.again(effect, seen=claim)
        if mine.state != "new":
            raise TargetDown("a fulfilment in doubt is being made by another process", after=self._read_lag_seconds)
        await self._ledger.failed(effect, "looked up: it was not made", mine)

    def _quiet_seconds(self, effect: Effect, claim: Claim, taken_at: datetime | None) -> float:
        sent_at = max(claim.sent_at, taken_at) if taken_at is not None else claim.sent_at
        since_sent = (self._clock.now() - sent_at).total_seconds()
        lost = self._lost.get(effect.id)
        return since_sent if lost is None else min(since_sent, self._clock.monotonic() - lost)


async def _find(
    order: Mapping[str, Any], call: FulfilmentCall, shopify: ShopifyClient, known: Collection[str], context: CallContext
) -> str | None:
    for fulfilment in candidates(order, call, known):
        if is_made_by(call, await complete_fulfilment(shopify, fulfilment, context)):
            return str(fulfilment["id"])
    return None
