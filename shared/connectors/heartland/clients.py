"""Heartland clients by connection: built on first use, and rebuilt when the connection changes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial

import aiohttp

from shared.connectors.heartland.account import HeartlandAccount
from shared.connectors.heartland.client import HeartlandClient
from shared.connectors.heartland.settings import HeartlandSettings
from shared.connectors.heartland.transport import TARGET, RequestLimits, Transport
from shared.definitions.parse import M, read_section
from shared.errors import Misconfigured, RetryLater, TargetDown
from shared.limits.call_context import Observe
from shared.limits.circuit_breaker import Breaker
from shared.limits.rate_limit import RateLimit
from shared.limits.vendor_limits import VendorLimits
from shared.runtime.clock import Clock
from shared.runtime.metrics import ServiceMetrics
from shared.state.connections import Connection, Connections


@dataclass(frozen=True, slots=True)
class HeartlandConnection:
    """A connection with the client of its Heartland account and the merchant's settings for it."""

    connection: Connection
    client: HeartlandClient
    rules: HeartlandSettings

    def section(self, entity: str, model: type[M]) -> M:
        """The merchant's settings for an entity. Raises TargetDown if they are invalid."""
        try:
            return read_section(self.connection.settings, f"{TARGET}.{entity}", model)
        except Misconfigured as error:
            raise TargetDown(f"connection {self.connection.name}: {error.reason}", target=TARGET) from error


@dataclass(frozen=True, slots=True)
class CallLimits:
    """Calls per second to one account (0: no limit), concurrent calls, and the timeout of a call."""

    per_second: float
    max_in_flight: int
    timeout_seconds: float


class HeartlandClients:
    """Clients by connection.

    Rate limit and breaker come from `limits`, and stay the same when settings change.
    """

    def __init__(
        self,
        connections: Connections,
        session: aiohttp.ClientSession,
        call_limits: CallLimits,
        *,
        metrics: ServiceMetrics,
        clock: Clock,
        limits: VendorLimits | None = None,
    ) -> None:
        self._limits = limits or VendorLimits(metrics, clock)
        self._connections = connections
        self._session = session
        self._call_limits = call_limits
        self._metrics = metrics
        self._clock = clock
        self._cached: dict[str, HeartlandConnection] = {}
        self._shared: dict[str, tuple[RateLimit, Breaker]] = {}

    def get(self, name: str) -> HeartlandConnection:
        """The account of the connection `name`, the same object as long as the connection stays as it is.

        Raises RetryLater for a connection that is not known yet, and TargetDown for one with invalid credentials or
        settings, which must not stop a service that serves other accounts too.
        """
        connection = self._connections.get(name)
        if connection is None:
            raise RetryLater(f"there is no connection {name}")
        cached = self._cached.get(name)
        if cached is None or cached.connection != connection:
            cached = self._cached[name] = self._build(connection)
        return cached

    def _build(self, connection: Connection) -> HeartlandConnection:
        try:
            return self._new(connection)
        except Misconfigured as error:
            raise TargetDown(f"connection {connection.name}: {error.reason}", target=TARGET) from error

    def _new(self, connection: Connection) -> HeartlandConnection:
        if connection.name not in self._shared:
            self._shared[connection.name] = self._limits_of(connection.name)
        rate_limit, breaker = self._shared[connection.name]
        rules = read_section(connection.settings, TARGET, HeartlandSettings)
        transport = Transport(
            self._session,
            HeartlandAccount.read(connection.credentials.get("heartland", {})),
            rate_limit=rate_limit,
            breaker=breaker,
            clock=self._clock,
            observe=self._observe(),
            limits=RequestLimits(self._call_limits.timeout_seconds, empty_refusals=rules.empty_refusals),
            throttled=self._limits.throttled(TARGET),
        )
        return HeartlandConnection(connection, HeartlandClient(transport), rules)

    def _limits_of(self, name: str) -> tuple[RateLimit, Breaker]:
        limits = self._call_limits
        rate_limit = self._limits.rate_limit(name, TARGET, limits.per_second, limits.max_in_flight)
        return rate_limit, self._limits.breaker(name, TARGET)

    def _observe(self) -> Observe:
        # Looking a metric up by its labels costs more than incrementing it, so the look-ups are cached.
        calls = cache(partial(self._metrics.api_calls.labels, "heartland"))
        seconds = cache(partial(self._metrics.api_seconds.labels, "heartland"))

        def observe(operation: str, outcome: str, duration: float) -> None:
            calls(operation, outcome).inc()
            seconds(operation).observe(duration)

        return observe
