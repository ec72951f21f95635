"""Keeps a connection's webhook subscriptions: looks, puts right what is wrong, and remembers what may have been missed.

The gap is noted before a missing subscription is made anew: whatever happens in between, somebody will read the orders
that nobody told us of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.connectors.shopify.paging import Execute
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
from shared.state.webhook_watch import LOST, Gap, Watched, WebhookWatch

# The cause of the gap before a connection's first subscriptions.
FIRST = "first"


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
        known = await self.watch.get(self.connection)
        gap = self._gap(known, now) if any(map(lost_some, steps)) else None
        if gap is not None:
            await self.watch.note_gap(self.connection, gap)
        done = await carry_out(steps, self.wish, self.execute)
        if gap is not None and not done.created and not done.updated:
            # Shopify lets us have none of them: nothing was lost that was ever there.
            noted = min(gap, known.gap or gap, key=lambda one: one.since)
            await self.watch.close_gap(self.connection, noted, known.gap)
        await self.watch.note_good(self.connection, now)
        return done

    def _gap(self, known: Watched, now: datetime) -> Gap:
        if known.good_at is not None:
            return Gap(known.good_at - self.overlap, LOST)
        return Gap(max(known.connected_at or now, now - self.overlap), FIRST)


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
