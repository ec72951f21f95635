"""Monitors webhooks: keeps subscriptions in place, detects silence, and reads again what was missed meanwhile."""

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
# Causes of gaps besides those of the subscription sync.
_SILENT, _AGAIN = "silence", "again"
# For so long an operator sees that subscriptions had to be made anew.
_TOLD_FOR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class MonitorState:
    """Stores of what is remembered between two checks."""

    watch: WebhookWatch
    counts: WebhookCounts
    alerts: Alerts


@dataclass(frozen=True, slots=True)
class MonitorSettings:
    """`public_url` is where Shopify reaches ingress, empty where subscriptions are not ours to manage.

    `topics` are those that are subscribed to. `overlap` is how long Shopify may have failed before it gave a
    subscription up, `late` how much a record may show up after its time.
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
        """One check. Raises TargetDown while shop, broker or database are down: the next check starts over."""
        shop = self._shop_of(connection)
        now = self._shell.clock.now()
        before = await self._state.watch.get(connection)
        if self._settings.public_url:
            await self._keep(connection, shop, now)
        heard = await self._listen(connection, before, now)
        sent = await self._backfill(connection, shop)
        if heard is not None:
            self._tell_silence(connection, heard, sent)
        await self._state.watch.note_good(connection, now)
        await self._producer.flush()

    async def _keep(self, connection: str, shop: ShopifyConnection, now: datetime) -> None:
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
            "webhook subscriptions put right",
            connection=connection,
            created=done.created,
            updated=done.updated,
            deleted=done.deleted,
            refused=done.refused,
        )
        if done.refused:
            self._tell_refused(connection, done)

    async def _listen(self, connection: str, before: Watched, now: datetime) -> Verdict | None:
        """Whether webhooks have fallen silent; the silence is a gap then."""
        hours = await self._state.counts.since(connection, now - timedelta(days=DAYS + 1))
        if not hours:
            return None
        last_at = max(seen.last_at for seen in hours.values())
        if before.silent_since is not None and last_at > before.silent_since:
            await self._state.watch.note_silence(connection, None)
            self._alert(connection, SILENCE, "webhooks are back", resolved=True)
        verdict = judge({hour: seen.count for hour, seen in hours.items()}, last_at, now)
        if not verdict.is_silent:
            return None
        since = verdict.since
        if before.silent_since is None:
            await self._state.watch.note_silence(connection, now)
        elif before.good_at is not None:  # read until then already
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
            # What changed a moment ago may not be listed yet: the next look asks for it once more.
            await self._state.watch.note_gap(connection, Gap(began - self._settings.late, _AGAIN))
        self._shell.metrics.events_out.labels("order").inc(sent)
        self._shell.log.info("gap filled", connection=connection, cause=gap.cause, since=str(gap.since), orders=sent)
        if gap.cause == LOST:
            self._alert(
                connection,
                RECREATED,
                f"webhook subscriptions were missing and were made anew; {sent} orders that changed since "
                f"{gap.since:%Y-%m-%d %H:%M} UTC are read again",
                orders=str(sent),
                since=gap.since.isoformat(),
            )
        elif gap.cause == FIRST:
            self._shell.log.info("webhooks are subscribed to", connection=connection)
        return sent

    async def _resolve(self, connection: str, kinds: tuple[str, ...], now: datetime) -> None:
        """All is in place: what was said about it has been said for long enough."""
        for row in await self._state.alerts.list("open", connection):
            if row.kind in kinds and (row.kind == REFUSED or row.last_at < now - _TOLD_FOR):
                self._alert(connection, row.kind, "all webhook subscriptions are in place", resolved=True)

    def _tell_refused(self, connection: str, done: SubscriptionChanges) -> None:
        said = "; ".join(f"{topic}: {why}" for topic, why in done.refused.items())
        self._alert(
            connection,
            REFUSED,
            f"Shopify refuses {len(done.refused)} webhook subscriptions, so orders are found late: {said}"[:1000],
        )

    def _tell_silence(self, connection: str, verdict: Verdict, sent: int) -> None:
        found = f"{sent} orders that changed meanwhile are read again" if sent else "no order changed in Shopify either"
        self._alert(
            connection,
            SILENCE,
            f"{verdict.seen} webhooks came since {verdict.since:%Y-%m-%d %H:%M} UTC, usually it is "
            f"{verdict.expected:.0f}; {found}",
            # A shop without orders has a problem too, but not with us.
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
