"""The Heartland client of each connection, made when first needed, and anew when the connection changes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial

import aiohttp

from shared.connectors.heartland.account import HeartlandAccount
from shared.connectors.heartland.client import HeartlandClient
from shared.connectors.heartland.settings import HeartlandSettings, read_settings
from shared.connectors.heartland.transport import TARGET, Limits, Transport
from shared.errors import Misconfigured, RetryLater, TargetDown
from shared.limits.call_context import Observe
from shared.limits.circuit_breaker import Breaker
from shared.limits.rate_limit import RequestBudget
from shared.limits.vendor_limits import VendorLimits
from shared.runtime.clock import Clock
from shared.runtime.metrics import ServiceMetrics
from shared.state.connections import Connection, Connections


@dataclass(frozen=True, slots=True)
class Heartland:
    """One connection's account: how to reach it and what its merchant chose."""

    connection: Connection
    client: HeartlandClient
    rules: HeartlandSettings


@dataclass(frozen=True, slots=True)
class CallLimits:
    """Calls per second to one account (0: no limit), calls at a time, seconds a call may take."""

    per_second: float
    max_in_flight: int
    timeout_seconds: float


class HeartlandClients:
    """Each connection has a budget and a breaker of its own, from `guards`, which outlive a change of its settings."""

    def __init__(
        self,
        connections: Connections,
        session: aiohttp.ClientSession,
        limits: CallLimits,
        *,
        metrics: ServiceMetrics,
        clock: Clock,
        guards: VendorLimits | None = None,
    ) -> None:
        self._made_by = guards or VendorLimits(metrics, clock)
        self._connections = connections
        self._session = session
        self._limits = limits
        self._metrics = metrics
        self._clock = clock
        self._known: dict[str, Heartland] = {}
        self._guards: dict[str, tuple[RequestBudget, Breaker]] = {}

    def get(self, name: str) -> Heartland:
        """The account of the connection `name`, the same object as long as the connection stays as it is.

        Raises RetryLater for a connection that is not known (yet), and TargetDown for one whose credentials or
        settings cannot work: that must not stop a service that serves other accounts too.
        """
        connection = self._connections.get(name)
        if connection is None:
            raise RetryLater(f"there is no connection {name}")
        known = self._known.get(name)
        if known is None or known.connection != connection:
            known = self._known[name] = self._built(connection)
        return known

    def _built(self, connection: Connection) -> Heartland:
        try:
            return self._build(connection)
        except Misconfigured as error:
            raise TargetDown(f"connection {connection.name}: {error.reason}", target=TARGET) from error

    def _build(self, connection: Connection) -> Heartland:
        if connection.name not in self._guards:
            self._guards[connection.name] = self._guard(connection.name)
        budget, breaker = self._guards[connection.name]
        rules = read_settings(connection.settings)
        transport = Transport(
            self._session,
            HeartlandAccount.read(connection.credentials.get("heartland", {})),
            budget=budget,
            breaker=breaker,
            clock=self._clock,
            observe=self._observe(),
            limits=Limits(self._limits.timeout_seconds, empty_refusals=rules.empty_refusals),
            throttled=self._made_by.throttled(TARGET),
        )
        return Heartland(connection, HeartlandClient(transport), rules)

    def _guard(self, name: str) -> tuple[RequestBudget, Breaker]:
        limits = self._limits
        budget = self._made_by.requests(name, TARGET, limits.per_second, limits.max_in_flight)
        return budget, self._made_by.breaker(name, TARGET)

    def _observe(self) -> Observe:
        # To find a metric by its labels costs more than to count: each is looked up once.
        calls = cache(partial(self._metrics.api_calls.labels, "heartland"))
        seconds = cache(partial(self._metrics.api_seconds.labels, "heartland"))

        def observe(operation: str, outcome: str, duration: float) -> None:
            calls(operation, outcome).inc()
            seconds(operation).observe(duration)

        return observe
