"""Keeps a connection's webhook subscriptions: looks, puts right what is wrong, and remembers what may have been missed.

The gap is noted before a missing subscription is made anew: whatever happens in between, somebody will read the orders
that nobody told us of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.connectors.shopify.pages import Execute
from shared.connectors.shopify.subscriptions import (
    Create,
    Done,
    Keep,
    Step,
    Update,
    Wanted,
    carry_out,
    compare,
    read_subscriptions,
)
from shared.state.webhook_watch import Gap, WebhookWatch

FIRST, LOST = "first", "subscription"


@dataclass(frozen=True, slots=True)
class Upkeep:
    """One connection's: what it wants, how to reach its shop, and how far back a lost subscription may have failed.

    Shopify gives up a subscription after failing for hours, so `overlap` covers those hours too.
    """

    connection: str
    wish: Wanted
    execute: Execute
    watch: WebhookWatch
    overlap: timedelta

    async def look(self) -> list[Step]:
        """What would have to be done. Raises what the client does."""
        return compare(self.wish, await read_subscriptions(self.execute))

    async def put_right(self, steps: Sequence[Step], now: datetime) -> Done:
        """Carry out what was found at `now`. Raises what the client does, and TargetDown without a database."""
        gap = await self._note_gap(now) if any(map(lost_some, steps)) else None
        done = await carry_out(steps, self.wish, self.execute)
        if gap is not None and not done.created and not done.updated:
            # Shopify lets us have none of them: nothing was lost that was ever there.
            await self.watch.close_gap(self.connection, gap)
        await self.watch.note_good(self.connection, now)
        return done

    async def _note_gap(self, now: datetime) -> Gap | None:
        """None where a gap is open already, which this one joins."""
        known = await self.watch.get(self.connection)
        if known.good_at is not None:
            gap = Gap(known.good_at - self.overlap, LOST)
        else:
            gap = Gap(max(known.connected_at or now, now - self.overlap), FIRST)
        await self.watch.note_gap(self.connection, gap)
        return None if known.gap else gap


def lost_some(step: Step) -> bool:
    """Whether webhooks did not reach us, or not so that we could read them."""
    match step:
        case Create():
            return True
        case Update(_, found):
            return not found.is_whole or not step.is_there
    return False


def is_right(steps: Sequence[Step]) -> bool:
    return all(isinstance(step, Keep) for step in steps)
