"""Keeps a connection's webhook subscriptions in sync, and records gaps without webhooks.

A gap is recorded before a missing subscription is created again, so that the orders of that time are read even if this
process crashes in between.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.connectors.shopify.paging import Execute
from shared.connectors.shopify.subscriptions import (
    Create,
    DesiredSubscriptions,
    Keep,
    Step,
    SubscriptionChanges,
    Update,
    execute_steps,
    plan,
    read_subscriptions,
)
from shared.state.webhook_watch import LOST, Gap, Watched, WebhookWatch

# The cause of the gap before a connection's first subscriptions.
FIRST = "first"


@dataclass(frozen=True, slots=True)
class SubscriptionSync:
    """The subscriptions of one connection.

    Shopify removes a subscription once its deliveries have failed for hours; `overlap` covers those hours.
    """

    connection: str
    desired: DesiredSubscriptions
    execute: Execute
    watch: WebhookWatch
    overlap: timedelta

    async def plan(self) -> list[Step]:
        """The steps that are needed. Raises what the client raises."""
        return plan(self.desired, await read_subscriptions(self.execute))

    async def apply(self, steps: Sequence[Step], now: datetime) -> SubscriptionChanges:
        """Execute the steps planned at `now`.

        Raises what the client raises, and TargetDown without a database.
        """
        watched = await self.watch.get(self.connection)
        gap = self._gap(watched, now) if any(map(missed_webhooks, steps)) else None
        if gap is not None:
            await self.watch.note_gap(self.connection, gap)
        done = await execute_steps(steps, self.desired, self.execute)
        if gap is not None and not done.created and not done.updated:
            # Shopify refused all of them: they never existed, so no webhook was missed.
            noted = min(gap, watched.gap or gap, key=lambda candidate: candidate.since)
            await self.watch.close_gap(self.connection, noted, watched.gap)
        await self.watch.note_good(self.connection, now)
        return done

    def _gap(self, watched: Watched, now: datetime) -> Gap:
        if watched.good_at is not None:
            return Gap(watched.good_at - self.overlap, LOST)
        return Gap(max(watched.connected_at or now, now - self.overlap), FIRST)


def missed_webhooks(step: Step) -> bool:
    """Whether webhooks were missing or incomplete before this step."""
    match step:
        case Create():
            return True
        case Update(_, found):
            return not found.is_whole or not step.has_our_uri
    return False


def are_in_sync(steps: Sequence[Step]) -> bool:
    return all(isinstance(step, Keep) for step in steps)
