"""Vendor limits: rate limit, query cost limit and circuit breaker per connection and system.

Rate limits are shared with the other processes. Changes of a breaker become metrics, log lines, hops and alerts.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from typing import Protocol

from structlog.typing import FilteringBoundLogger

from shared.canonical.alert import Alert
from shared.canonical.hop import Hop
from shared.canonical.priority import Priority
from shared.errors import CredentialsRefused, IntegrationError
from shared.limits.circuit_breaker import CLOSED, HALF_OPEN, OPEN, Breaker
from shared.limits.limit_sharing import LimitSharing, open_sharing
from shared.limits.query_cost import QueryCostLimit
from shared.limits.rate_limit import RateLimit
from shared.runtime.clock import Clock
from shared.runtime.logging import get_logger
from shared.runtime.metrics import ServiceMetrics
from shared.runtime.service import Shell
from shared.state.database import Database

ENTITY = "breaker"
_OPEN, _REFUSED = "breaker_open", "credentials_refused"
_OUTCOMES = {CLOSED: "closed", HALF_OPEN: "half_open", OPEN: "opened"}


class EventSink(Protocol):
    """The part of Producer used here."""

    def trace(self, hop: Hop) -> None: ...
    def alert(self, alert: Alert) -> None: ...


class VendorLimits:
    """Creates limits and breakers.

    Without `sharing` a limit is not shared; without `tell` no hops or alerts.
    """

    def __init__(
        self,
        metrics: ServiceMetrics,
        clock: Clock,
        *,
        service: str = "",
        sharing: LimitSharing | None = None,
        tell: EventSink | None = None,
    ) -> None:
        self._metrics = metrics
        self._clock = clock
        self._service = service
        self._log: FilteringBoundLogger = get_logger(service)
        self._sharing = sharing
        self._tell = tell
        self._number = itertools.count(1)

    @property
    def is_sharing(self) -> bool:
        """Whether limits are shared; False if a bug has ended the exchange."""
        return self._sharing is not None and not self._sharing.has_failed

    def rate_limit(self, connection: str, system: str, per_second: float, max_in_flight: int) -> RateLimit:
        """Limit on requests a second and concurrent requests to one account; 0 means unlimited."""
        burst = max(1, round(per_second))
        limit = RateLimit(per_second, burst, max_in_flight, self._clock, _WaitMetrics(self._metrics, system))
        if self._sharing is not None and per_second > 0:
            self._sharing.join((connection, system), limit)
        return limit

    def query_cost_limit(self, connection: str, system: str, per_second: float) -> QueryCostLimit | None:
        """Limit on query points of one shop: `per_second` until a response states the rate.

        None for 0 (unlimited).
        """
        if not per_second:
            return None
        limit = QueryCostLimit(self._clock, restore_rate=per_second, watch=_WaitMetrics(self._metrics, system))
        if self._sharing is not None:
            self._sharing.join((connection, system), limit)
        return limit

    def throttled(self, system: str) -> Callable[[], object]:
        """A counter to call for each response that says that we were throttled."""
        return self._metrics.throttled.labels(system).inc

    def breaker(self, connection: str, system: str) -> Breaker:
        """The circuit breaker of one account."""
        # Set before the first request, too: a missing metric cannot be told from a process that is gone.
        self._metrics.breaker_state.labels(connection=connection, system=system).set(CLOSED)
        alerts = _OpenAlerts()
        return Breaker(
            f"{connection}/{system}",
            clock=self._clock,
            on_change=partial(self._changed, connection, system, alerts),
            on_first_success=partial(self._resolve, connection, system, alerts),
        )

    def _changed(
        self, connection: str, system: str, alerts: _OpenAlerts, state: int, error: BaseException | None
    ) -> None:
        self._metrics.breaker_state.labels(connection=connection, system=system).set(state)
        outcome, reason = _OUTCOMES[state], error.reason if isinstance(error, IntegrationError) else ""
        log = self._log.warning if state == OPEN else self._log.info
        log(f"breaker {outcome}", connection=connection, system=system, reason=reason)
        if self._tell is None:
            return
        now = self._clock.now()
        self._tell.trace(self._hop(connection, system, outcome, reason, now))
        if state == OPEN:
            kind = _REFUSED if isinstance(error, CredentialsRefused) else _OPEN
            if kind not in alerts.raised:  # each failed probe opens it again: not a new alert
                alerts.raised.add(kind)
                self._tell.alert(self._alert(kind, connection, system, reason, now))
        elif state == CLOSED:
            self._resolve(connection, system, alerts)

    def _resolve(self, connection: str, system: str, alerts: _OpenAlerts) -> None:
        if self._tell is not None:
            for kind in sorted(alerts.raised | alerts.left):
                reason = f"{system} answers again"
                self._tell.alert(self._alert(kind, connection, system, reason, self._clock.now(), resolved=True))
        alerts.raised.clear()
        alerts.left.clear()

    def _hop(self, connection: str, system: str, outcome: str, reason: str, now: datetime) -> Hop:
        return Hop(
            event_id=f"breaker:{self._service}:{connection}:{system}:{now.timestamp():.6f}:{next(self._number)}",
            trace_id="",
            connection=connection,
            entity=ENTITY,
            key=system,
            service=self._service,
            outcome=outcome,
            started_at=now,
            finished_at=now,
            detail=reason,
        )

    def _alert(
        self, kind: str, connection: str, system: str, reason: str, now: datetime, *, resolved: bool = False
    ) -> Alert:
        return Alert(
            kind=kind,
            connection=connection,
            entity=ENTITY,
            # Each service has its own breaker: one may be closed while another is still open.
            key=f"{self._service}/{system}",
            service=self._service,
            severity="critical" if kind == _REFUSED else "warning",
            reason=reason or f"{system} fails",
            at=now,
            resolved=resolved,
        )


class _OpenAlerts:
    """Open alerts of one breaker: `raised` by it, or possibly `left` open by the process before this one."""

    def __init__(self) -> None:
        self.raised: set[str] = set()
        self.left = {_OPEN, _REFUSED}


class _WaitMetrics:
    """Counts waiting requests, and how long they wait."""

    def __init__(self, metrics: ServiceMetrics, system: str) -> None:
        self._waiting = partial(metrics.budget_waiting.labels, system)
        self._seconds = partial(metrics.budget_wait_seconds.labels, system)

    def wait_started(self, priority: Priority) -> None:
        self._waiting(priority).inc()

    def wait_ended(self, priority: Priority, seconds: float) -> None:
        self._waiting(priority).dec()
        self._seconds(priority).observe(seconds)


@asynccontextmanager
async def open_vendor_limits(shell: Shell, database: Database, tell: EventSink | None) -> AsyncIterator[VendorLimits]:
    """Vendor limits of one service, shared with all processes of this installation."""
    async with open_tool_limits(shell.name, database, shell.metrics, shell.clock, tell) as limits:
        shell.health.alive_when("limit sharing", lambda: limits.is_sharing)
        yield limits


@asynccontextmanager
async def open_tool_limits(
    name: str, database: Database, metrics: ServiceMetrics, clock: Clock, tell: EventSink | None = None
) -> AsyncIterator[VendorLimits]:
    """The same for a tool without a service shell: it takes its share of the limits too."""
    async with open_sharing(database, clock) as sharing:
        yield VendorLimits(metrics, clock, service=name, sharing=sharing, tell=tell)
