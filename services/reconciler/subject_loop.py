"""Schedules the passes over one subject of one connection.

A sweep compares what changed lately, every few minutes. A recheck compares open differences again, more often. A full
pass compares everything, once a day. One replica holds the lease of a subject and runs its passes. A subject or
connection that cannot be read delays no other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from structlog.typing import FilteringBoundLogger

from services.reconciler.position import Position
from services.reconciler.settings import Settings
from services.reconciler.subject_metrics import SHOWN, SubjectMetrics
from shared.canonical.alert import Alert
from shared.errors import IntegrationError
from shared.operations.comparison.passes import SERVICE, Outcome, Pass
from shared.runtime.clock import Clock
from shared.state.cursors import Cursors
from shared.state.drift import UNDER_WAY, DriftLedger, State
from shared.state.leases import Leases
from shared.sync.comparison import Subject

# How often a replica without the lease tries to get it, and so how soon a dead leaseholder is replaced.
_LEASE_SECONDS = 3.0
# Longest pause after a connection could not be read.
_RETRY_SECONDS = 30.0
# An alert is raised after so long without a sweep, or after two missing sweeps if that takes longer.
_STALLED = timedelta(minutes=15)
# How many unread records are remembered as already logged.
_REMEMBERED = 1_000
# Records per slice of a full pass; sweeps run between slices.
_SLICE = 100


class SubjectLoop:
    """Runs passes over one subject, as long as its connection is `present`."""

    def __init__(
        self,
        connection: str,
        subject: Subject[Any],
        new_pass: Callable[[], Pass[Any]],
        *,
        present: Callable[[], bool],
        leases: Leases,
        settings: Settings,
        cursors: Cursors,
        ledger: DriftLedger,
        clock: Clock,
        log: FilteringBoundLogger,
        metrics: SubjectMetrics,
        alert: Callable[[Alert], object],
    ) -> None:
        self._connection = connection
        self._subject = subject
        self._name = f"reconciler:{connection}:{subject.name}"
        self._new_pass = new_pass
        self._present = present
        self._leases = leases
        self._settings = settings
        self._cursors = cursors
        self._ledger = ledger
        self._clock = clock
        self._log = log
        self._metrics = metrics
        self._alert = alert
        self._began = clock.now()
        self._stalled = False
        self._unread: dict[str, str] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop`, or until the connection is removed.

        Any error is logged and the pass is tried again, since one connection's data must not end the comparison of
        others. A pass can be interrupted anywhere without harm.
        """
        while self._present() and not stop.is_set():
            try:
                await self._run_passes(stop)
            except IntegrationError as error:
                await self._back_off(error.reason, stop)
            except Exception as error:
                self._log.exception("a comparison failed", connection=self._connection, subject=self._subject.name)
                await self._back_off(f"unexpected: {type(error).__name__}", stop)

    async def _back_off(self, reason: str, stop: asyncio.Event) -> None:
        """Release the lease and pause: another replica may succeed."""
        await self._leases.release(self._name)
        if self._present():
            self._log.warning("not compared", connection=self._connection, subject=self._subject.name, reason=reason)
            await self._alert_if_stalled(reason)
        await _pause(stop, min(_RETRY_SECONDS, self._settings.reconcile_recheck_seconds))

    async def _alert_if_stalled(self, reason: str) -> None:
        with suppress(IntegrationError):  # our own database is down, which health checks report
            swept_at = (await self._position()).swept_at
            if not self._stalled and self._is_stalled(max(self._began, swept_at or self._began)):
                self._alert(self._stalled_alert(self._stalled_reason(reason)))
                self._stalled = True

    def _is_stalled(self, swept_at: datetime) -> bool:
        return self._clock.now() - swept_at > self._stalled_after()

    def _stalled_after(self) -> timedelta:
        return max(_STALLED, timedelta(seconds=2 * self._settings.reconcile_seconds))

    def _stalled_reason(self, reason: str) -> str:
        minutes = self._stalled_after().total_seconds() / 60
        return (
            f"the {self._subject.name} records were not compared for over {minutes:.0f} minutes, so missed changes "
            f"stay missed; remove the cause, then the comparison continues by itself: {reason}"
        )

    def _stalled_alert(self, reason: str, *, resolved: bool = False) -> Alert:
        return Alert(
            kind="not_compared",
            connection=self._connection,
            entity=self._subject.name,
            service=SERVICE,
            severity="critical",
            reason=reason,
            at=self._clock.now(),
            resolved=resolved,
        )

    async def _run_passes(self, stop: asyncio.Event) -> None:
        next_sweep = next_recheck = 0.0
        while self._present() and not stop.is_set():
            now = self._clock.monotonic()
            more = False
            if await self._leases.holds(self._name):
                if now >= next_sweep:
                    await self.sweep()
                    next_sweep = now + self._settings.reconcile_seconds
                    next_recheck = now + self._settings.reconcile_recheck_seconds
                elif now >= next_recheck:
                    await self.recheck()
                    next_recheck = now + self._settings.reconcile_recheck_seconds
                # After every sweep and recheck, so that long sweeps cannot starve the full pass.
                more = await self.continue_full_pass()
            due = min(next_sweep, next_recheck) - self._clock.monotonic()
            await _pause(stop, 0.0 if more else min(_LEASE_SECONDS, max(0.05, due)))

    async def sweep(self) -> Outcome:
        """Compare what changed since the last sweep, and known differences again."""
        began, position = self._clock.now(), await self._position()
        sweep = self._new_pass()
        keys = await sweep.changed_since(position.since(self._settings.overlap))
        outcome = await self._compare(sweep, [*keys, *await self._open_keys()])
        await self._keep(position.swept(began))
        # Judged by the stored position too, which all replicas share: another replica may have raised the alert.
        if self._stalled or position.swept_at is None or self._is_stalled(position.swept_at):
            self._alert(self._stalled_alert("the comparison runs again", resolved=True))
        self._stalled = False
        return outcome

    async def recheck(self) -> Outcome:
        """Compare known differences again, except those under review; a confirmed one is repaired or reviewed."""
        keys = await self._open_keys("open", "repairing")
        return await self._compare(self._new_pass(), keys) if keys else Outcome()

    async def continue_full_pass(self) -> bool:
        """Run the next slice of the full pass, if one is running or due. True if more slices are left.

        A slice only stores differences. The recheck that follows acts on all of them, so that its limits on repairs
        count them together.
        """
        now, before = self._clock.now(), await self._position()
        position = before.full_pass(now, self._settings.full_every, self._settings.full_reach)
        if position.at is None or position.until is None:
            return False
        full_pass = self._new_pass()
        part = await full_pass.slice(position.at, position.until, _SLICE)
        await self._compare(full_pass, part.keys, act=False)
        await self._keep(position.sliced(part.go_on))
        return part.go_on is not None

    async def _compare(self, comparison: Pass[Any], keys: list[str], *, act: bool = True) -> Outcome:
        began = self._clock.monotonic()
        outcome = await comparison.compare(keys, act=act)
        for row in outcome.repaired:
            self._log.info("repaired", connection=row.connection, entity=row.entity, key=row.key, kind=row.kind)
        self._log_unread(outcome)
        rows = await self._ledger.list(SHOWN, self._connection)
        self._metrics.record(outcome, [row for row in rows if row.entity in self._subject.names()])
        self._metrics.passed(self._clock.now().timestamp(), self._clock.monotonic() - began)
        return outcome

    def _log_unread(self, outcome: Outcome) -> None:
        """Log unread records, once for each record and reason."""
        for key, reason in outcome.unread.items():
            if self._unread.get(key) != reason:
                self._log.warning(
                    f"{self._subject.name} not compared", connection=self._connection, key=key, reason=reason
                )
        self._unread |= outcome.unread
        for key in list(self._unread)[:-_REMEMBERED]:
            del self._unread[key]

    async def _open_keys(self, *states: State) -> list[str]:
        return await self._ledger.open_keys(self._connection, self._subject.names(), states or UNDER_WAY)

    async def _position(self) -> Position:
        stored = await self._cursors.get(self._connection, self._subject.feed)
        if stored:
            return Position.read(stored)
        # Stored at once: an outage right after the first start must not shift the period that is compared.
        position = Position.begin(self._clock.now())
        await self._keep(position)
        return position

    async def _keep(self, position: Position) -> None:
        await self._cursors.put(self._connection, self._subject.feed, position.stored())


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
