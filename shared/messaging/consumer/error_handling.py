"""Applies the error policy to records that failed: retry, park, review, dead-letter or stop.

Nothing else does.

Records come from Kafka or from the table of parked records; a `RecordSource` keeps their next attempt there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol

from shared.errors import IntegrationError, NeedsReview, RetryLater, Waiting
from shared.messaging.consumer.error_policy import Policy, PolicyDecision
from shared.messaging.consumer.reporter import Reporter
from shared.messaging.dead_letters.writer import DeadLetterCause, DeadLetters, TooManyDeadLetters
from shared.messaging.record import Record, Result, Route, Unreadable
from shared.runtime.clock import Clock
from shared.state.reviews import Reviews


class Applied(Enum):
    """How the policy was applied to records that failed."""

    DONE = "done"  # they are durably handled
    WAITING = "waiting"  # for their next attempt, in their lane or as parked
    USED_UP = "used up"  # no attempt is left
    HALTED = "halted"  # the last is a dead letter, and its key must not continue before a person decided


@dataclass(frozen=True, slots=True)
class Failure:
    """Records for which a handler raised `error`; it is reported for the last one. Times are UTC."""

    route: Route
    records: Sequence[Record]
    error: IntegrationError
    started_at: datetime
    first_failed_at: datetime


class RecordSource(Protocol):
    """Where records come from, and where they wait for their next attempt.

    Their lane, or the parked table.
    """

    def decide(self, error: IntegrationError) -> PolicyDecision:
        """What the policy says of this error, given the attempts so far."""
        ...

    async def retry_soon(self, failure: Failure, decision: PolicyDecision) -> Applied:
        """The vendor is down, or an attempt is left. May raise the error, if the caller waits for the vendor."""
        ...

    async def retry_later(self, failure: Failure, decision: PolicyDecision) -> Applied:
        """Keep the records in the database until their next attempt; USED_UP where there is none."""
        ...


class ErrorHandling:
    """The consumer's error policy, applied."""

    def __init__(self, reviews: Reviews, dead_letters: DeadLetters, reporter: Reporter, clock: Clock) -> None:
        self._reviews = reviews
        self._dead_letters = dead_letters
        self._reporter = reporter
        self._clock = clock

    async def apply(self, failure: Failure, source: RecordSource) -> Applied:
        """Decide and act. Raises the error itself where the service must stop, or wait; TargetDown and Fenced."""
        decision = source.decide(failure.error)
        match decision.verdict:
            case Policy.STOP:
                raise failure.error
            case Policy.AGAIN:
                return await source.retry_soon(failure, decision)
            case Policy.REVIEW:
                applied = await self._open_review(failure)
            case Policy.PARK:
                applied = await source.retry_later(failure, decision)
            case Policy.DEAD_LETTER:
                applied = Applied.USED_UP
        if applied is Applied.USED_UP:
            applied = await self._dead_letter(failure)
        self._reporter.failed(failure.route.entity, decision.label)
        return applied

    def succeeded(self, route: Route) -> None:
        """Count a success, which resolves the alert about too many dead letters."""
        if self._dead_letters.record_success():
            self._reporter.dead_letters_normal(route)

    async def _open_review(self, failure: Failure) -> Applied:
        error = failure.error
        assert isinstance(error, NeedsReview)  # noqa: S101 - the policy asks for a review of nothing else
        await self.open_review(failure.records[-1], failure.route, error)
        self._reporter.ended(failure.route, failure.records, Result("review", error.reason), failure.started_at)
        return Applied.DONE

    async def _dead_letter(self, failure: Failure) -> Applied:
        route, last, reason = failure.route, failure.records[-1], failure.error.reason
        cause = DeadLetterCause(
            reason=reason,
            error_class=type(failure.error).__name__,
            attempts=last.attempts,
            first_failed=failure.first_failed_at,
            last_failed=self._clock.now(),
            retriable=isinstance(failure.error, (RetryLater, Waiting)),
        )
        await self.send_dead_letter(last, route, cause)
        self._reporter.ended(route, failure.records, Result("dead_letter", reason), failure.started_at)
        return Applied.HALTED if cause.retriable and route.give_up != "skip" else Applied.DONE

    async def send_dead_letter(self, record: Record | Unreadable, route: Route, cause: DeadLetterCause) -> None:
        """Raises TooManyDeadLetters, after an alert: then the service is at fault, not the records."""
        try:
            await self._dead_letters.send(record, cause)
        except TooManyDeadLetters as error:
            self._reporter.too_many_dead_letters(route, error.reason)
            await self._reporter.flush()
            raise
        self._reporter.dead_lettered(route, record, cause)

    async def open_review(self, record: Record, route: Route, error: NeedsReview) -> None:
        """Ask a person about this record's aggregate. Raises TargetDown without a database."""
        envelope = record.envelope
        await self._reviews.open(
            envelope.connection, error.kind, route.entity, envelope.subject, error.reason, error.advice, error.details
        )
