"""What stands before every call to a vendor: its rate budget, shared with other processes, and its breaker.

Each connection has one of each per system. They tell what they do: as metrics, in the log, as hops and as alerts.
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
from shared.limits.limit_sharing import Sharing, open_sharing
from shared.limits.query_cost import CostBudget
from shared.limits.rate_limit import RequestBudget
from shared.runtime.clock import Clock
from shared.runtime.logging import get_logger
from shared.runtime.metrics import ServiceMetrics
from shared.runtime.service import Shell
from shared.state.database import Database

ENTITY = "breaker"
_OPEN, _REFUSED = "breaker_open", "credentials_refused"
_OUTCOMES = {CLOSED: "closed", HALF_OPEN: "half_open", OPEN: "opened"}


class Tells(Protocol):
    """What is used of Producer."""

    def trace(self, hop: Hop) -> None: ...
    def alert(self, alert: Alert) -> None: ...


class VendorLimits:
    """Makes budgets and breakers. Without `sharing` a budget has its limit for itself; `tell` None tells nobody."""

    def __init__(
        self,
        metrics: ServiceMetrics,
        clock: Clock,
        *,
        service: str = "",
        sharing: Sharing | None = None,
        tell: Tells | None = None,
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
        """Whether limits are shared, and no bug has ended that."""
        return self._sharing is not None and not self._sharing.has_failed

    def requests(self, connection: str, system: str, per_second: float, max_in_flight: int) -> RequestBudget:
        """So many calls a second, and at a time, to one account; 0 lifts a limit."""
        burst = max(1, round(per_second))
        budget = RequestBudget(per_second, burst, max_in_flight, self._clock, _Watch(self._metrics, system))
        if self._sharing is not None and per_second > 0:
            self._sharing.join((connection, system), budget)
        return budget

    def points(self, connection: str, system: str, per_second: float) -> CostBudget | None:
        """The query points of one shop, `per_second` until its replies say so; None for 0, which sets no limit."""
        if not per_second:
            return None
        budget = CostBudget(self._clock, restore_rate=per_second, watch=_Watch(self._metrics, system))
        if self._sharing is not None:
            self._sharing.join((connection, system), budget)
        return budget

    def throttled(self, system: str) -> Callable[[], object]:
        """To be called for each answer that says that we asked for too much."""
        return self._metrics.throttled.labels(system).inc

    def breaker(self, connection: str, system: str) -> Breaker:
        """The breaker of one account."""
        # Before anything has happened, too: a figure that is not there yet cannot be told from a process that is gone.
        self._metrics.breaker_state.labels(connection=connection, system=system).set(CLOSED)
        trouble = _Trouble()
        return Breaker(
            f"{connection}/{system}",
            clock=self._clock,
            on_change=partial(self._changed, connection, system, trouble),
            on_first_success=partial(self._resolve, connection, system, trouble),
        )

    def _changed(
        self, connection: str, system: str, trouble: _Trouble, state: int, error: BaseException | None
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
            if kind not in trouble.raised:  # each failed probe opens it anew; that is no news
                trouble.raised.add(kind)
                self._tell.alert(self._alert(kind, connection, system, reason, now))
        elif state == CLOSED:
            self._resolve(connection, system, trouble)

    def _resolve(self, connection: str, system: str, trouble: _Trouble) -> None:
        if self._tell is not None:
            for kind in sorted(trouble.raised | trouble.left):
                reason = f"{system} answers again"
                self._tell.alert(self._alert(kind, connection, system, reason, self._clock.now(), resolved=True))
        trouble.raised.clear()
        trouble.left.clear()

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
            # Each service has a breaker of its own: what one finds well again may still be shut to another.
            key=f"{self._service}/{system}",
            service=self._service,
            severity="critical" if kind == _REFUSED else "warning",
            reason=reason or f"{system} fails",
            at=now,
            resolved=resolved,
        )


class _Trouble:
    """The alerts of one breaker that are open: `raised` by it, or perhaps `left` so by the process before this one."""

    def __init__(self) -> None:
        self.raised: set[str] = set()
        self.left = {_OPEN, _REFUSED}


class _Watch:
    """Counts who waits for a turn, and for how long."""

    def __init__(self, metrics: ServiceMetrics, system: str) -> None:
        self._waiting = partial(metrics.budget_waiting.labels, system)
        self._seconds = partial(metrics.budget_wait_seconds.labels, system)

    def begins(self, priority: Priority) -> None:
        self._waiting(priority).inc()

    def ends(self, priority: Priority, seconds: float) -> None:
        self._waiting(priority).dec()
        self._seconds(priority).observe(seconds)


@asynccontextmanager
async def open_vendor_limits(shell: Shell, database: Database, tell: Tells | None) -> AsyncIterator[VendorLimits]:
    """The guards of one service, sharing limits with every process of this installation."""
    async with open_tool_limits(shell.name, database, shell.metrics, shell.clock, tell) as guards:
        shell.health.alive_when("budget shares", lambda: guards.is_sharing)
        yield guards


@asynccontextmanager
async def open_tool_limits(
    name: str, database: Database, metrics: ServiceMetrics, clock: Clock, tell: Tells | None = None
) -> AsyncIterator[VendorLimits]:
    """The same for what runs without a shell: a tool at work takes its part of the limits too."""
    async with open_sharing(database, clock) as sharing:
        yield VendorLimits(metrics, clock, service=name, sharing=sharing, tell=tell)
