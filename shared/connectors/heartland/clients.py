"""Heartland clients by connection: built on first use, and rebuilt when the connection changes."""

from __future__ import annotations

from dataclasses import dataclass

import aiohttp

from shared.connectors.connection_cache import ConnectionCache, call_metrics, section_of
from shared.connectors.heartland.account import HeartlandAccount
from shared.connectors.heartland.client import HeartlandClient
from shared.connectors.heartland.settings import HeartlandSettings
from shared.connectors.heartland.transport import TARGET, RequestLimits, Transport
from shared.definitions.parse import M, read_section
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
    settings: HeartlandSettings

    def section(self, entity: str, model: type[M]) -> M:
        """The merchant's settings for an entity. Raises TargetDown if they are invalid."""
        return section_of(self.connection, TARGET, entity, model)


@dataclass(frozen=True, slots=True)
class CallLimits:
    """Calls per second to one account (0: no limit), concurrent calls, and the timeout of a call."""

    per_second: float
    max_in_flight: int
    timeout_seconds: float


class HeartlandClients(ConnectionCache[HeartlandConnection]):
    """Heartland's clients by connection.

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
        super().__init__(connections, TARGET)
        self._limits = limits or VendorLimits(metrics, clock)
        self._session = session
        self._call_limits = call_limits
        self._metrics = metrics
        self._clock = clock
        self._shared: dict[str, tuple[RateLimit, Breaker]] = {}

    def _build(self, connection: Connection) -> HeartlandConnection:
        if connection.name not in self._shared:
            self._shared[connection.name] = self._limits_of(connection.name)
        rate_limit, breaker = self._shared[connection.name]
        settings = read_section(connection.settings, TARGET, HeartlandSettings)
        transport = Transport(
            self._session,
            HeartlandAccount.read(connection.credentials.get("heartland", {})),
            rate_limit=rate_limit,
            breaker=breaker,
            clock=self._clock,
            observe=call_metrics(self._metrics, TARGET),
            limits=RequestLimits(self._call_limits.timeout_seconds, empty_refusals=settings.empty_refusals),
            throttled=self._limits.throttled(TARGET),
        )
        return HeartlandConnection(connection, HeartlandClient(transport), settings)

    def _limits_of(self, name: str) -> tuple[RateLimit, Breaker]:
        limits = self._call_limits
        rate_limit = self._limits.rate_limit(name, TARGET, limits.per_second, limits.max_in_flight)
        return rate_limit, self._limits.breaker(name, TARGET)
