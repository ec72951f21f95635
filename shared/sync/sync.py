"""Level-triggered writing of records to a target. The sequence is the same for each entity and vendor:

    newest event of the key
      -> gate: stale | duplicate | echo | apply
      -> desired: the record as the target should hold it
      -> actual: the record as the target holds it
      -> plan: the steps that remain; again until the plan is complete
      -> execute: each step, its effects claimed before
      -> settle: link published; reviews and, with them, the version stored last

An entity brings these functions as a `RecordSync` (record_sync.py). The gate, the unit of work, the ownership check,
the reviews and the stored version are handled here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic

from shared.errors import IntegrationError, NeedsReview, OutcomeUnknown, Rejected, RetryLater, Waiting
from shared.limits.call_context import BACKFILL, REPAIR, CallContext
from shared.messaging.envelope import Envelope
from shared.messaging.record import Record, Result, context_of
from shared.runtime.clock import Clock
from shared.state.atomic_write import AtomicWriter, VersionMark, WriteSet
from shared.state.partition_epochs import PartitionEpochs
from shared.state.reviews import ReviewClosing, ReviewOpening
from shared.state.target_state import TargetState, TargetStates
from shared.state.versions import Verdict, Version, gate
from shared.sync.misconfigured import ConnectionMisconfigured, ConnectionReviews, only_this_connection
from shared.sync.ownership_check import OwnershipCheck, PartitionOwnership, TakenAt
from shared.sync.plan import Plan, Problem
from shared.sync.record_sync import A, Attempt, D, E, RecordSync, S, SyncedEntity
from shared.sync.unit_of_work import UnitOfWork

# Create, lines with their taxes, invoices, the rest: after more rounds, the record keeps changing at the target.
_ROUNDS = 8
# How soon an event is tried again that needs a settings version which is not loaded yet.
_DEFINITIONS_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class _Asked:
    """Whether the notices ask to write again what is written.

    `again`: in any case. `definitions`: what was written with another version than this one; 0 for nothing.
    """

    again: bool = False
    definitions: int = 0


@dataclass(frozen=True, slots=True)
class _Written(Generic[A]):
    """The target matches: what it holds, and the problems to report."""

    actual: A
    problems: Sequence[Problem]
    waits: Waiting | None

    @property
    def blocking(self) -> Problem | None:
        return next((problem for problem in self.problems if problem.blocks), None)

    @property
    def error(self) -> IntegrationError | None:
        """Why the event has not ended, though everything that could be written is."""
        return self.blocking.error() if self.blocking else self.waits


class Sync(Generic[E]):
    """Writes the records of one entity to one target.

    Without `states` there is no version gate, as for facts: each event is applied, and the ledger tells what was done.
    Without `epochs`, ownership is not checked. `connections` opens and closes reviews of connections that cannot work.
    """

    def __init__(
        self,
        entity: SyncedEntity[E],
        *,
        writer: AtomicWriter,
        clock: Clock,
        states: TargetStates | None = None,
        epochs: PartitionEpochs | None = None,
        connections: ConnectionReviews | None = None,
    ) -> None:
        self._entity = entity
        self._writer = writer
        self._clock = clock
        self._states = states
        self._epochs = epochs
        self._connections = connections
        # Units of work that could not be stored (database down, attempt cancelled): the next attempt stores them.
        self._unstored: dict[tuple[str, ...], UnitOfWork] = {}

    async def handle(self, records: Sequence[Record]) -> Result:
        """Write the newest of these records of one key. Raises what the error policy acts upon."""
        record, event = newest(records, self._entity.read)
        state = await self._state(event)
        asked = _Asked(
            again=any(one.envelope.asks_again for one in records),
            definitions=max(one.envelope.reapplied_version for one in records),
        )
        verdict = self._gate(state, event, asked)
        if verdict == "echo" and state.version:
            # Its version is stored too: an older change that arrives later or is replayed must be stale.
            await self._writer.write(
                WriteSet(self._about(event), versions=[self._mark(event, state.version.at(event.version))])
            )
        if verdict != "apply":
            return self._entity.skipped(verdict, event, state)
        taken_at = partial(self._epochs.taken_at, record.topic, record.partition) if self._epochs else None
        attempt = self._attempt(event, state, context_of(records), taken_at)
        with self._keeping(attempt.work):
            sync, written = await self._write(attempt)
            return await self._settle(attempt, sync, written, record.envelope)

    async def preview(self, body: bytes, *, reapplies: bool = False) -> tuple[str, str]:
        """The verdict on an event, and why it would not go through.

        `reapplies`: as if its notice asked for that.

        The same as `handle` up to the last step. A dry-run client, ledger and writer keep it from writing.
        """
        event = self._entity.read(body)
        state = await self._state(event)
        verdict = self._gate(state, event, _Asked(definitions=1 if reapplies else 0))
        if verdict != "apply":
            return verdict, ""
        attempt = self._attempt(event, state, BACKFILL if reapplies else REPAIR, None)
        try:
            sync = self._entity.open(attempt)
            written = await self._converge(sync, attempt.work)
        except IntegrationError as error:
            return verdict, error.reason
        if written.error is not None:
            return verdict, written.error.reason
        outcome = sync.result(written.actual).outcome
        return (verdict if outcome == "applied" else outcome), ""

    # Gate

    async def _state(self, event: E) -> TargetState:
        if self._states is None:
            return TargetState()
        customer = self._entity.customer_of(event)
        return await self._states.get(*self._about(event), self._entity.target, customer)

    def _gate(self, state: TargetState, event: E, asked: _Asked) -> Verdict:
        if self._states is None:
            return "apply"
        in_use = self._entity.definitions_version(event.connection) if asked.definitions else 0
        if in_use < asked.definitions:
            # Written with the former settings, it would count as done.
            raise RetryLater(
                f"version {asked.definitions} of the settings is not loaded yet", after=_DEFINITIONS_SECONDS
            )
        version = Version(event.version, event.content_hash, in_use)
        return gate(state.version, version, asks_again=asked.again, reapplies=asked.definitions > 0)

    def _about(self, event: E) -> tuple[str, str, str]:
        return event.connection, self._entity.entity, event.key

    def _attempt(self, event: E, state: TargetState, context: CallContext, taken_at: TakenAt | None) -> Attempt[E]:
        work = self._unstored.pop(self._about(event), None) or UnitOfWork(self._about(event), self._writer)
        work.taken_at = taken_at
        ownership = OwnershipCheck(PartitionOwnership(taken_at, self._clock), self._clock)
        return Attempt(event, state, work, context.checked_by(ownership.check), ownership)

    @contextmanager
    def _keeping(self, work: UnitOfWork) -> Iterator[None]:
        """What an attempt that failed could not store is stored by the next one."""
        try:
            yield
        except BaseException:
            if work.is_unstored:
                self._unstored[work.about] = work
            raise

    # Desired, actual, plan, execute

    async def _write(self, attempt: Attempt[E]) -> tuple[RecordSync[Any, Any, Any], _Written[Any]]:
        connection = attempt.event.connection
        try:
            with only_this_connection():
                sync = self._entity.open(attempt)
                written = await self._write_or_give_back(attempt, sync)
        except ConnectionMisconfigured as error:
            if self._connections is not None:
                await self._connections.open(connection, error.reason)
            raise
        if self._connections is not None:
            await self._connections.close(connection)
        return sync, written

    async def _write_or_give_back(self, attempt: Attempt[E], sync: RecordSync[D, A, S]) -> _Written[A]:
        """Write; after an error, release unused claims and discard what is cached of the record."""
        try:
            return await self._converge(sync, attempt.work)
        except OutcomeUnknown as error:
            sync.forget()
            await self._give_back(attempt, sync, error)
            error.after = max(error.after or 0.0, sync.read_lag_seconds)
            raise
        except IntegrationError as error:
            if attempt.ownership.lost:
                sync.forget()
            await self._give_back(attempt, sync, error)
            raise
        except BaseException:
            sync.forget()
            raise

    async def _converge(self, sync: RecordSync[D, A, S], work: UnitOfWork) -> _Written[A]:
        """Plan and execute until the target matches."""
        desired = sync.desired()
        actual = await sync.actual(desired)
        problems: list[Problem] = []
        for _ in range(_ROUNDS):
            plan = sync.plan(desired, actual)
            await self._claim(sync, plan, work)
            problems += _contradictions(sync, work)
            for step in plan.steps:
                actual = await sync.execute(step, actual)
            if plan.complete:
                problems += [*plan.problems, *sync.settled(actual)]
                return _Written(actual, problems, plan.waits)
        entity, key = work.about[1:]
        raise RetryLater(f"{entity} {key} kept changing in {self._entity.target.capitalize()} while it was written")

    async def _claim(self, sync: RecordSync[D, A, S], plan: Plan[S], work: UnitOfWork) -> None:
        """Claim the effects of the steps.

        Store links before a record is completed: later events need them then.
        """
        effects = sync.effects(plan)
        if effects:
            await work.claim(effects)
        if plan.complete and work.links:
            await work.store()

    async def _give_back(self, attempt: Attempt[E], sync: RecordSync[D, A, S], error: IntegrationError) -> None:
        """End a failed attempt: store what was done, release the claims of calls that were not made.

        A refused call becomes a review. Raises RetryLater for it, since a person may change what was refused.
        """
        problem = sync.refusal(error) if isinstance(error, Rejected) else None
        blocked = problem is not None or isinstance(error, NeedsReview)
        await attempt.work.store(
            versions=self._marks(attempt.event, sync, blocked=True, has_open_reviews=True) if blocked else (),
            openings=self._openings(attempt.event, [problem] if problem else []),
            give_back=True,
        )
        _contradictions(sync, attempt.work)
        if problem is not None:
            raise RetryLater(error.reason) from error

    # Settle

    async def _settle(
        self, attempt: Attempt[E], sync: RecordSync[D, A, S], written: _Written[A], cause: Envelope
    ) -> Result:
        """Publish, store, close reviews; the version last, so that after a crash the rest is repeated.

        A problem that blocks is raised for the error policy, which opens its review and parks the key.
        """
        event, problems = attempt.event, written.problems
        await sync.publish(written.actual, cause, attempt.context.priority)
        await attempt.work.store(
            versions=self._marks(event, sync, blocked=written.blocking is not None, has_open_reviews=bool(problems)),
            openings=self._openings(event, [one for one in problems if one is not written.blocking]),
            closings=self._closings(attempt, problems),
        )
        if written.error is not None:
            raise written.error
        return sync.result(written.actual)

    def _marks(
        self, event: E, sync: RecordSync[D, A, S], *, blocked: bool, has_open_reviews: bool
    ) -> Sequence[VersionMark]:
        if self._states is None:
            return ()
        version = Version(event.version, event.content_hash, sync.definitions_version, blocked, has_open_reviews)
        return [self._mark(event, version)]

    def _mark(self, event: E, version: Version) -> VersionMark:
        return VersionMark(*self._about(event), self._entity.target, version)

    def _openings(self, event: E, problems: Sequence[Problem]) -> Sequence[ReviewOpening]:
        connection, entity, key = self._about(event)
        return [
            ReviewOpening(connection, one.kind, entity, key, one.title, one.advice, one.details) for one in problems
        ]

    def _closings(self, attempt: Attempt[E], problems: Sequence[Problem]) -> Sequence[ReviewClosing]:
        """Reviews of an earlier attempt whose problem is gone."""
        stored = attempt.state.version
        if stored is None or not stored.has_open_reviews:
            return ()
        over = set(self._entity.review_kinds) - {problem.kind for problem in problems}
        return [ReviewClosing(*self._about(attempt.event), tuple(sorted(over)))]


def _contradictions(sync: RecordSync[D, A, S], work: UnitOfWork) -> list[Problem]:
    conflicts, work.conflicts = work.conflicts, []
    return [sync.conflict(pair, conflict) for pair, conflict in conflicts]


def newest(records: Sequence[Record], read: Callable[[bytes], E]) -> tuple[Record, E]:
    """The record with the newest version: a replay may bring an older one in last. Raises Rejected.

    Shopify's timestamps are whole seconds; within one second, what was read later is newer.
    """
    events = [(record, read(record.envelope.body)) for record in records]
    return max(events, key=lambda pair: (pair[1].version, pair[1].read_at))
