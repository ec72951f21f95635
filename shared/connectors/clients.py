"""The clients of both vendors for all connections, over one HTTP session."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from shared.connectors.heartland.clients import HeartlandClients
from shared.connectors.settings import VendorSettings
from shared.connectors.shopify.clients import ShopifyClients
from shared.limits.vendor_limits import VendorLimits
from shared.runtime.clock import Clock
from shared.runtime.metrics import ServiceMetrics
from shared.state.connections import Connections


@dataclass(frozen=True, slots=True)
class VendorClients:
    shopify: ShopifyClients
    heartland: HeartlandClients


@asynccontextmanager
async def open_clients(
    settings: VendorSettings,
    connections: Connections,
    *,
    metrics: ServiceMetrics,
    clock: Clock,
    limits: VendorLimits | None = None,
) -> AsyncIterator[VendorClients]:
    """Open the clients and their HTTP session.

    Without `limits`, limits are not shared with other processes.
    """
    limits = limits or VendorLimits(metrics, clock)
    # Without cookies, so that a vendor's load balancer does not send all calls to one server.
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield VendorClients(
            ShopifyClients(
                connections,
                session,
                metrics=metrics,
                clock=clock,
                points_per_second=settings.shopify_points_per_second,
                limits=limits,
            ),
            HeartlandClients(
                connections, session, settings.heartland_limits, metrics=metrics, clock=clock, limits=limits
            ),
        )
