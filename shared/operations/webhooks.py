"""Webhook subscriptions of each connection: what there is, and putting them right now.

The poller does the same by itself; it also reads again the orders that changed meanwhile, after a sync by hand too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

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

_WORDS: dict[type[Step], str] = {Create: "create", Update: "update", Delete: "delete", Keep: "keep"}


@dataclass(slots=True)
class Report:
    """Of one connection: each step with its topic and address, and what Shopify refused; `failed` says why nothing."""

    connection: str
    steps: list[dict[str, str]] = field(default_factory=list)
    refused: Mapping[str, str] = field(default_factory=dict)
    failed: str = ""
    is_right: bool = False

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


def told(steps: Sequence[Step], uri: str) -> list[dict[str, str]]:
    """The steps as a table shows them."""
    rows = []
    for step in steps:
        found = Subscription("", step.topic, uri) if isinstance(step, Create) else step.found
        rows.append(
            {
                "step": _WORDS[type(step)],
                "topic": step.topic,
                "uri": found.uri,
                "api_version": found.api_version,
                "id": found.id,
            }
        )
    return rows


async def sync(settings: SubscriptionSettings, connection: str | None, *, dry_run: bool) -> list[Report]:
    """Look at the subscriptions, and put them right unless it is a `dry_run`. Raises Misconfigured, TargetDown."""
    if not settings.ingress_public_url:
        raise Misconfigured("INGRESS_PUBLIC_URL is not set: nobody knows where Shopify is to send webhooks")
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
            raise Misconfigured(f"there is no connection {connection}" if connection else "there is no connection yet")
        overlap = timedelta(seconds=settings.subscription_overlap_seconds)

        def sync_of(name: str) -> SubscriptionSync:
            desired = desired_subscriptions(settings.ingress_public_url, name, webhooks("shopify"))
            return SubscriptionSync(
                name, desired, clients.shopify.get(name).client.execute, WebhookWatch(database), overlap
            )

        return [await _one(name, sync_of, clock, dry_run=dry_run) for name in names]


async def _one(name: str, sync_of: Callable[[str], SubscriptionSync], clock: SystemClock, *, dry_run: bool) -> Report:
    """One shop that is away must not hide the others."""
    report = Report(name)
    try:
        ours, now = sync_of(name), clock.now()
        steps = await ours.plan()
        report.steps, report.is_right = told(steps, ours.desired.uri), are_in_sync(steps)
        if not dry_run and not report.is_right:
            report.refused = (await ours.apply(steps, now)).refused
            report.is_right = not report.refused
    except IntegrationError as error:
        report.failed = error.reason
    return report
