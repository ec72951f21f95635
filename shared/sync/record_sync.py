"""What an entity brings for being written.

The four functions of one attempt, and how its events are read.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from shared.canonical.event import CanonicalEvent
from shared.canonical.priority import Priority
from shared.errors import NeedsReview, Rejected
from shared.limits.call_context import CallContext
from shared.messaging.envelope import Envelope
from shared.messaging.record import Result
from shared.state.atomic_write import Intent, LinkPair
from shared.state.ledger import Effect
from shared.state.target_state import TargetState
from shared.state.versions import Verdict
from shared.sync.ownership_check import OwnershipCheck
from shared.sync.plan import Plan, Problem
from shared.sync.unit_of_work import UnitOfWork

E = TypeVar("E", bound=CanonicalEvent[Any])
D = TypeVar("D")
A = TypeVar("A")
S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Attempt(Generic[E]):
    """One attempt to write an event. `state` is what is stored of its record and the target.

    `context` is for all requests of the attempt: before a write it runs the check of `ownership`.
    """

    event: E
    state: TargetState
    work: UnitOfWork
    context: CallContext
    ownership: OwnershipCheck


class RecordSync(ABC, Generic[D, A, S]):
    """What an entity brings for one attempt: how a record is written to its target.

    Only `actual`, `execute` and `publish` do I/O; they raise what the clients and the database raise.
    `definitions_version` is the version of the connection's settings, `read_lag_seconds` how late the target's reads
    may show a write.
    """

    definitions_version: int = 0
    read_lag_seconds: float = 0.0

    @abstractmethod
    def desired(self) -> D:
        """The record as the target should hold it. Raises NeedsReview where that cannot be exact."""

    @abstractmethod
    async def actual(self, desired: D) -> A:
        """The record as the target holds it: read, or remembered where that is certain."""

    @abstractmethod
    def plan(self, desired: D, actual: A) -> Plan[S]:
        """The steps that remain."""

    @abstractmethod
    async def execute(self, step: S, actual: A) -> A:
        """Take one step. What the target then holds."""

    @abstractmethod
    def result(self, actual: A) -> Result:
        """How the event ended, once the target matches."""

    def effects(self, plan: Plan[S]) -> Mapping[Effect, Intent | None]:
        """The effects that the plan's steps have, with their intents: they are claimed before the first step."""
        return {}

    def settled(self, actual: A) -> Sequence[Problem]:
        """Called once the target matches: settles what was in doubt. What else a person must look at."""
        return ()

    async def publish(self, actual: A, cause: Envelope, priority: Priority) -> None:
        """Tell other services of the write."""

    def forget(self) -> None:
        """What is remembered of the record is no longer certain: the next attempt must read."""

    def refusal(self, error: Rejected) -> Problem | None:
        """What a person must do about a refused call; None where the event can never work."""
        return None

    def conflict(self, pair: LinkPair, conflict: NeedsReview) -> Problem:
        """A link contradicts a known one. Raises `conflict` where the record must not be written then."""
        raise conflict


class SyncedEntity(Protocol[E]):
    """An entity with one of its targets. `review_kinds` are those of every review that its problems open."""

    @property
    def entity(self) -> str: ...

    @property
    def target(self) -> str: ...

    @property
    def review_kinds(self) -> Sequence[str]: ...

    def read(self, body: bytes) -> E:
        """The canonical event. Raises Rejected for a body that is none."""
        ...

    def customer_of(self, event: E) -> str:
        """Shopify's id of the customer whose link is needed too; empty for none."""
        ...

    def definitions_version(self, connection: str) -> int:
        """The version of the connection's definitions. Raises RetryLater for a connection that is not known."""
        ...

    def open(self, attempt: Attempt[E]) -> RecordSync[Any, Any, Any]:
        """Raises RetryLater for a connection that is not known, Misconfigured for one that cannot work."""
        ...

    def skipped(self, verdict: Verdict, event: E, state: TargetState) -> Result:
        """The result of an event that the gate keeps out."""
        ...
