"""Webhook subscriptions of each connection: list them, and sync them now.

The poller syncs them regularly. After any sync it also reads the orders that changed while subscriptions were missing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from prometheus_client import CollectorRegistry

from shared.connectors.clients import open_clients
from shared.connectors.settings import SubscriptionSettings
from shared.connectors.shopify.subscription_sync import SubscriptionSync, are_in_sync
from shared.connectors.shopify.subscriptions import (
    Create,
    Delete,
    Keep,
    Step,
    Subscription,
    Update,
    desired_subscriptions,
)
from shared.entities.settings_model import settings_check
from shared.entities.table import webhooks
from shared.errors import IntegrationError, Misconfigured
from shared.limits.vendor_limits import open_tool_limits
from shared.runtime.clock import SystemClock
from shared.runtime.logging import get_logger
from shared.runtime.metrics import ServiceMetrics
from shared.state.connections import open_connections
from shared.state.database import Database
from shared.state.webhook_watch import WebhookWatch

StepName = Literal["create", "update", "delete", "keep"]
_NAMES: dict[type[Step], StepName] = {Create: "create", Update: "update", Delete: "delete", Keep: "keep"}


@dataclass(frozen=True, slots=True)
class SubscriptionStep:
    """One step of a sync, with the subscription it is about.

    `id` and `api_version` are empty for one to create.
    """

    step: StepName
    topic: str
    uri: str
    api_version: str
    id: str


@dataclass(slots=True)
class SyncReport:
    """The sync of one connection.

    `refused` has Shopify's reason by topic; `failed` says why there are no steps.
    """

    connection: str
    steps: Sequence[SubscriptionStep] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    failed: str = ""
    is_right: bool = False


def subscription_steps(steps: Sequence[Step], uri: str) -> list[SubscriptionStep]:
    """The steps of a plan, by name. `uri` is where new subscriptions lead. Pure."""
    rows = []
    for step in steps:
        found = Subscription("", step.topic, uri) if isinstance(step, Create) else step.found
        rows.append(SubscriptionStep(_NAMES[type(step)], step.topic, found.uri, found.api_version, found.id))
    return rows


async def sync(settings: SubscriptionSettings, connection: str | None, *, dry_run: bool) -> list[SyncReport]:
    """Plan each connection's sync, and execute it unless it is a `dry_run`.

    Raises Misconfigured, TargetDown.
    """
    if not settings.ingress_public_url:
        raise Misconfigured("INGRESS_PUBLIC_URL is required: Shopify needs the public address of ingress")
    log, clock = get_logger("cli"), SystemClock()
    metrics = ServiceMetrics("cli", CollectorRegistry())
    async with (
        Database.open(settings.database_url, 2) as database,
        open_connections(database, settings, log, check=settings_check()) as connections,
        open_tool_limits("cli", database, metrics, clock) as limits,
        open_clients(settings, connections, metrics=metrics, clock=clock, limits=limits) as clients,
    ):
        names = [name for name in connections.names() if connection in (None, name)]
        if not names:
            raise Misconfigured(
                f"there is no connection {connection!r}"
                if connection
                else "no connection yet: `tillbridge connect` adds one"
            )
        overlap = timedelta(seconds=settings.subscription_overlap_seconds)

        def sync_of(name: str) -> SubscriptionSync:
            desired = desired_subscriptions(settings.ingress_public_url, name, webhooks("shopify"))
            return SubscriptionSync(
                name, desired, clients.shopify.get(name).client.execute, WebhookWatch(database), overlap
            )

        return [await _one(name, sync_of, clock, dry_run=dry_run) for name in names]


async def _one(
    name: str, sync_of: Callable[[str], SubscriptionSync], clock: SystemClock, *, dry_run: bool
) -> SyncReport:
    """A shop that does not answer must not hide the others."""
    report = SyncReport(name)
    try:
        ours, now = sync_of(name), clock.now()
        steps = await ours.plan()
        report.steps, report.is_right = subscription_steps(steps, ours.desired.uri), are_in_sync(steps)
        if not dry_run and not report.is_right:
            report.refused = (await ours.apply(steps, now)).refused
            report.is_right = not report.refused
    except IntegrationError as error:
        report.failed = error.reason
    return report
