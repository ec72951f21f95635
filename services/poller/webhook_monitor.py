"""Monitors webhooks: keeps subscriptions, detects silence, and backfills orders missed meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from services.poller.silence import DAYS, Verdict, judge
from shared.canonical.alert import Alert, Severity
from shared.connectors.shopify.clients import ShopifyConnection
from shared.connectors.shopify.subscription_sync import FIRST, SubscriptionSync, are_in_sync
from shared.connectors.shopify.subscriptions import SubscriptionChanges, desired_subscriptions
from shared.entities.order.backfill import backfill
from shared.limits.call_context import REPAIR
from shared.messaging.kafka.producer import Producer
from shared.runtime.service import Shell
from shared.state.alerts import Alerts
from shared.state.webhook_counts import WebhookCounts
from shared.state.webhook_watch import LOST, Gap, Watched, WebhookWatch

RECREATED, REFUSED, SILENCE = "subscription_recreated", "subscription_refused", "webhook_silence"
# Causes of gaps besides those of the subscription sync: silence, and the repetition of a backfill.
_SILENT, _AGAIN = "silence", "again"
# How long the alert about recreated subscriptions stays open, so that an operator sees it.
_RECREATED_OPEN = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class MonitorState:
    """The stores that keep state between two checks."""

    watch: WebhookWatch
    counts: WebhookCounts
    alerts: Alerts


@dataclass(frozen=True, slots=True)
class MonitorSettings:
    """What a monitor needs to know.

    `public_url` is where Shopify reaches ingress; if it is empty, subscriptions are not managed. `topics` are the
    webhook topics to subscribe to. `overlap` is how long Shopify may have failed to deliver before it removed a
    subscription. `late` is how long after its time a record may appear in Shopify's lists.
    """

    public_url: str
    topics: Sequence[str]
    overlap: timedelta
    late: timedelta


class WebhookMonitor:
    """Checks the webhooks of each connection."""

    def __init__(
        self,
        shell: Shell,
        shop_of: Callable[[str], ShopifyConnection],
        producer: Producer,
        state: MonitorState,
        settings: MonitorSettings,
    ) -> None:
        self._shell = shell
        self._shop_of = shop_of
        self._producer = producer
        self._state = state
        self._settings = settings

    async def check(self, connection: str) -> None:
        """Check one connection. Raises TargetDown if shop, broker or database are down."""
        shop = self._shop_of(connection)
        now = self._shell.clock.now()
        before = await self._state.watch.get(connection)
        if self._settings.public_url:
            await self._sync_subscriptions(connection, shop, now)
        verdict = await self._check_silence(connection, before, now)
        sent = await self._backfill(connection, shop)
        if verdict is not None:
            self._alert_silence(connection, verdict, sent)
        await self._state.watch.note_good(connection, now)
        await self._producer.flush()

    async def _sync_subscriptions(self, connection: str, shop: ShopifyConnection, now: datetime) -> None:
        desired = desired_subscriptions(self._settings.public_url, connection, self._settings.topics)
        sync = SubscriptionSync(
            connection, desired, partial(shop.client.execute, context=REPAIR), self._state.watch, self._settings.overlap
        )
        steps = await sync.plan()
        if are_in_sync(steps):
            await self._state.watch.note_good(connection, now)
            await self._resolve(connection, (RECREATED, REFUSED), now)
            return
        done = await sync.apply(steps, now)
        self._shell.log.warning(
            "webhook subscriptions corrected",
            connection=connection,
            created=done.created,
            updated=done.updated,
            deleted=done.deleted,
            refused=done.refused,
        )
        if done.refused:
            self._alert_refused(connection, done)

    async def _check_silence(self, connection: str, before: Watched, now: datetime) -> Verdict | None:
        """The verdict if webhooks have fallen silent, else None. A silence is stored as a gap to backfill."""
        hours = await self._state.counts.since(connection, now - timedelta(days=DAYS + 1))
        if not hours:
            return None
        last_at = max(seen.last_at for seen in hours.values())
        if before.silent_since is not None and last_at > before.silent_since:
            await self._state.watch.note_silence(connection, None)
            self._alert(connection, SILENCE, "Shopify's webhooks arrive again", resolved=True)
        verdict = judge({hour: seen.count for hour, seen in hours.items()}, last_at, now)
        if not verdict.is_silent:
            return None
        since = verdict.since
        if before.silent_since is None:
            await self._state.watch.note_silence(connection, now)
        elif before.good_at is not None:  # changes up to then were backfilled already
            since = max(since, before.good_at)
        await self._state.watch.note_gap(connection, Gap(since - self._settings.late, _SILENT))
        return verdict

    async def _backfill(self, connection: str, shop: ShopifyConnection) -> int:
        gap, began = (await self._state.watch.get(connection)).gap, self._shell.clock.now()
        if gap is None:
            return 0
        sent = await backfill(connection, gap.since, partial(shop.client.execute, context=REPAIR), self._producer)
        await self._state.watch.close_gap(connection, gap)
        if gap.cause in (FIRST, LOST):
            # Shopify may not list an order that changed a moment ago yet: the next check backfills the end again.
            await self._state.watch.note_gap(connection, Gap(began - self._settings.late, _AGAIN))
        self._shell.metrics.events_out.labels("order").inc(sent)
        self._shell.log.info(
            "orders of a webhook gap are read again",
            connection=connection,
            cause=gap.cause,
            since=str(gap.since),
            orders=sent,
        )
        if gap.cause == LOST:
            self._alert(
                connection,
                RECREATED,
                f"webhook subscriptions were missing in Shopify and were created again; {sent} orders that changed "
                f"since {gap.since:%Y-%m-%d %H:%M} UTC are read again, so none is lost; do nothing unless this repeats",
                orders=str(sent),
                since=gap.since.isoformat(),
            )
        elif gap.cause == FIRST:
            self._shell.log.info("webhook subscriptions created", connection=connection)
        return sent

    async def _resolve(self, connection: str, kinds: tuple[str, ...], now: datetime) -> None:
        """Resolve the subscription alerts: at once for refused ones, after an hour for recreated ones."""
        for row in await self._state.alerts.list("open", connection):
            if row.kind in kinds and (row.kind == REFUSED or row.last_at < now - _RECREATED_OPEN):
                self._alert(connection, row.kind, "all webhook subscriptions are in place", resolved=True)

    def _alert_refused(self, connection: str, done: SubscriptionChanges) -> None:
        refusals = "; ".join(f"{topic}: {why}" for topic, why in done.refused.items())
        self._alert(
            connection,
            REFUSED,
            f"Shopify refuses {len(done.refused)} webhook subscriptions, so changed orders arrive late, when the "
            f"reconciler finds them; correct what Shopify names, then they are created by themselves: {refusals}"[
                :1000
            ],
        )

    def _alert_silence(self, connection: str, verdict: Verdict, sent: int) -> None:
        if sent:
            found = (
                f"{sent} orders that changed meanwhile are read again, so none is lost; check that Shopify reaches "
                "ingress and that no webhook is rejected"
            )
        else:
            found = "no order changed in Shopify either, so nothing was missed; check that the shop can sell"
        self._alert(
            connection,
            SILENCE,
            f"{verdict.seen} webhooks arrived since {verdict.since:%Y-%m-%d %H:%M} UTC, usually about "
            f"{verdict.expected:.0f} do; {found}",
            # A shop without orders may have a problem, but not one of this integration.
            severity="warning" if sent else "info",
            expected=f"{verdict.expected:.1f}",
            seen=str(verdict.seen),
            orders=str(sent),
        )

    def _alert(
        self,
        connection: str,
        kind: str,
        reason: str,
        *,
        severity: Severity = "warning",
        resolved: bool = False,
        **details: str,
    ) -> None:
        self._producer.alert(
            Alert(
                kind=kind,
                connection=connection,
                entity="order",
                service=self._shell.name,
                severity=severity,
                reason=reason,
                at=self._shell.clock.now(),
                details=details,
                resolved=resolved,
            )
        )
