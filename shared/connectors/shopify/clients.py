"""Shopify clients by connection: built on first use, and rebuilt when the connection changes."""

from __future__ import annotations

from dataclasses import dataclass

import aiohttp

from shared.connectors.connection_cache import ConnectionCache, call_metrics, section_of
from shared.connectors.shopify.account import ShopifyAccount
from shared.connectors.shopify.client import TARGET, ShopifyClient
from shared.connectors.shopify.settings import ShopifySettings
from shared.definitions.parse import M, read_section
from shared.limits.circuit_breaker import Breaker
from shared.limits.query_cost import QueryCostLimit
from shared.limits.vendor_limits import VendorLimits
from shared.runtime.clock import Clock
from shared.runtime.metrics import ServiceMetrics
from shared.state.connections import Connection, Connections


@dataclass(frozen=True, slots=True)
class ShopifyConnection:
    """A connection with the client of its shop and the merchant's settings for it."""

    connection: Connection
    client: ShopifyClient
    settings: ShopifySettings

    def section(self, entity: str, model: type[M]) -> M:
        """The merchant's settings for an entity. Raises TargetDown if they are invalid."""
        return section_of(self.connection, TARGET, entity, model)


class ShopifyClients(ConnectionCache[ShopifyConnection]):
    """Shopify's clients by connection.

    Rate limit and breaker come from `limits`, and stay the same when settings change.
    `points_per_second` is a shop's restore rate until its answers show the real one; 0 for no limit of our own.
    """

    def __init__(
        self,
        connections: Connections,
        session: aiohttp.ClientSession,
        *,
        metrics: ServiceMetrics,
        clock: Clock,
        points_per_second: float = 100.0,
        limits: VendorLimits | None = None,
    ) -> None:
        super().__init__(connections, TARGET)
        self._limits = limits or VendorLimits(metrics, clock)
        self._session = session
        self._metrics = metrics
        self._clock = clock
        self._rate = points_per_second
        self._shared: dict[str, tuple[QueryCostLimit | None, Breaker]] = {}

    def _build(self, connection: Connection) -> ShopifyConnection:
        if connection.name not in self._shared:
            self._shared[connection.name] = self._limits_of(connection.name)
        cost_limit, breaker = self._shared[connection.name]
        client = ShopifyClient(
            self._session,
            ShopifyAccount.read(connection.credentials.get("shopify", {})),
            cost_limit=cost_limit,
            breaker=breaker,
            clock=self._clock,
            observe=call_metrics(self._metrics, TARGET),
            throttled=self._limits.throttled(TARGET),
        )
        return ShopifyConnection(connection, client, read_section(connection.settings, TARGET, ShopifySettings))

    def _limits_of(self, name: str) -> tuple[QueryCostLimit | None, Breaker]:
        return self._limits.query_cost_limit(name, TARGET, self._rate), self._limits.breaker(name, TARGET)
