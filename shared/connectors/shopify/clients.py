"""Shopify clients by connection: built on first use, and rebuilt when the connection changes."""

from __future__ import annotations

from dataclasses import dataclass

import aiohttp

from shared.connectors.shopify.account import ShopifyAccount
from shared.connectors.shopify.client import TARGET, ShopifyClient
from shared.connectors.shopify.settings import ShopifySettings
from shared.definitions.parse import M, read_section
from shared.errors import Misconfigured, RetryLater, TargetDown
from shared.limits.call_context import Observe
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
    rules: ShopifySettings

    def section(self, entity: str, model: type[M]) -> M:
        """What its merchant chose for an entity. Raises TargetDown for what cannot be used."""
        try:
            return read_section(self.connection.settings, f"{TARGET}.{entity}", model)
        except Misconfigured as error:
            raise TargetDown(f"connection {self.connection.name}: {error.reason}", target=TARGET) from error


class ShopifyClients:
    """Clients by connection.

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
        self._limits = limits or VendorLimits(metrics, clock)
        self._connections = connections
        self._session = session
        self._metrics = metrics
        self._clock = clock
        self._rate = points_per_second
        self._cached: dict[str, ShopifyConnection] = {}
        self._shared: dict[str, tuple[QueryCostLimit | None, Breaker]] = {}

    def get(self, name: str) -> ShopifyConnection:
        """The shop of the connection `name`, the same object as long as the connection stays as it is.

        Raises RetryLater for a connection that is not known yet, and TargetDown for one with invalid credentials or
        settings, which must not stop a service that serves other shops too.
        """
        connection = self._connections.get(name)
        if connection is None:
            raise RetryLater(f"there is no connection {name}")
        cached = self._cached.get(name)
        if cached is None or cached.connection != connection:
            cached = self._cached[name] = self._build(connection)
        return cached

    def _build(self, connection: Connection) -> ShopifyConnection:
        try:
            return self._new(connection)
        except Misconfigured as error:
            raise TargetDown(f"connection {connection.name}: {error.reason}", target=TARGET) from error

    def _new(self, connection: Connection) -> ShopifyConnection:
        if connection.name not in self._shared:
            self._shared[connection.name] = self._limits_of(connection.name)
        cost_limit, breaker = self._shared[connection.name]
        client = ShopifyClient(
            self._session,
            ShopifyAccount.read(connection.credentials.get("shopify", {})),
            cost_limit=cost_limit,
            breaker=breaker,
            clock=self._clock,
            observe=self._observe(),
            throttled=self._limits.throttled(TARGET),
        )
        return ShopifyConnection(connection, client, read_section(connection.settings, TARGET, ShopifySettings))

    def _limits_of(self, name: str) -> tuple[QueryCostLimit | None, Breaker]:
        return self._limits.query_cost_limit(name, TARGET, self._rate), self._limits.breaker(name, TARGET)

    def _observe(self) -> Observe:
        calls, seconds = self._metrics.api_calls, self._metrics.api_seconds

        def observe(operation: str, outcome: str, duration: float) -> None:
            calls.labels("shopify", operation, outcome).inc()
            seconds.labels("shopify", operation).observe(duration)

        return observe
