"""What is compared: subjects, which are listed and read as one, and the entities that are compared of each.

An order is a subject; the order itself, its payments and its shipments are entities of it. A subject joins by a module
in `subjects`, an entity by one in its subject's `entities`: both are found there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generic, Protocol, TypeVar

from shared.connectors.heartland.clients import HeartlandConnection
from shared.connectors.shopify.clients import ShopifyConnection
from shared.state.database import Database
from shared.state.drift import Drift, Finding
from shared.sync.comparison_memory import Memory
from shared.sync.repair_notice import RepairNotice

Json = dict[str, Any]


class Snapshot(Protocol):
    """One record as both vendors hold it at a moment, and what we know of it."""

    @property
    def key(self) -> str: ...

    @property
    def content_hash(self) -> str: ...

    @property
    def stamps(self) -> tuple[datetime, datetime | None]:
        """The newest change on Shopify's side and on Heartland's, by that side's clock."""
        ...

    @property
    def is_quiet(self) -> bool:
        """Whether something may be concluded of it."""
        ...


S = TypeVar("S", bound=Snapshot)
# Vendors' clocks are not ours: a stamp so far ahead says nothing.
_SKEW = timedelta(minutes=5)


def changed_at(seen: Snapshot) -> datetime:
    """The newest change on either side, by that side's clock."""
    here, there = seen.stamps
    return max(here, there or here)


def is_settled(seen: Snapshot, now: datetime, settling: timedelta) -> bool:
    """Whether what is under way has had time to arrive."""
    age = now - changed_at(seen)
    return age >= settling or age < -_SKEW


@dataclass(frozen=True, slots=True)
class ReadResult(Generic[S]):
    """Snapshots, and by key why other records could not be read: those are not compared."""

    snapshots: list[S]
    unread: dict[str, str]


@dataclass(frozen=True, slots=True)
class Slice:
    """Keys of a full pass, and from where it goes on; None at its end."""

    keys: list[str]
    go_on: datetime | None


class Records(Protocol[S]):
    """A subject's records of one connection. Every method raises what the clients and the database raise."""

    async def since(self, moment: datetime, *, everything: bool = False) -> list[str]:
        """Keys of what either vendor changed since; less, without `everything`, what was found in agreement."""
        ...

    async def slice(self, start: datetime, end: datetime, size: int) -> Slice:
        """About `size` of what changed from `start` to `end`, the longest unchanged first."""
        ...

    async def read(self, keys: Sequence[str], now: datetime) -> ReadResult[S]:
        """Those of these records that there are."""
        ...


@dataclass(frozen=True, slots=True)
class Vendors:
    """Both vendors of one connection, whose calls wait behind those of live work."""

    shopify: ShopifyConnection
    heartland: HeartlandConnection


class Companion(Protocol[S]):
    """What an entity that is compared within another one's records adds to them, for one connection.

    Every method raises what the clients and the database raise.
    """

    async def changed_since(self, moment: datetime) -> dict[str, datetime]:
        """Heartland's ids of the records with changes of this entity, and when the newest was."""
        ...

    async def complete(self, result: ReadResult[S]) -> ReadResult[S]:
        """The snapshots with this entity's data added."""
        ...


@dataclass(frozen=True, slots=True)
class Tools:
    """What a subject's records are read with, besides the vendors. `entities` are those of the subject; an event of
    theirs that was received and has not ended explains a difference for as long as `in_flight`. `companions` open what
    entities compared within the records add to them.
    """

    database: Database
    entities: Sequence[str]
    in_flight: timedelta
    memory: Memory
    companions: Sequence[Callable[[str, Vendors, Tools], Companion[Any]]] = ()


def _not_decided(_: Any) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Entity(Generic[S]):
    """How one entity of a subject is compared, and repaired.

    `compare` finds at most one difference of a kind for a record, under the record's own key: so the ledger knows it.
    `held` is what the target holds before a repair, to undo it by. `is_decided`: a person has settled it as it stands,
    so that to send it through again would only ask the same again. `advice` is for that person, by kind of difference;
    `hopeless` are kinds of which nothing is sent through, even if a person asks for it.
    """

    name: str
    compare: Callable[[S], Iterator[Finding]]
    held: Callable[[Drift, Vendors], Awaitable[Json]]
    notices: Callable[[Drift, Vendors, datetime], Awaitable[Sequence[RepairNotice]]]
    is_decided: Callable[[S], bool] = _not_decided
    advice: Mapping[str, str] = field(default_factory=dict)
    hopeless: frozenset[str] = frozenset()

    def findings(self, seen: S) -> Iterator[Finding]:
        """What differs, less what would be sent through only to put before a person what that person has settled."""
        return (one for one in self.compare(seen) if not (one.repairable and self.is_decided(seen)))


@dataclass(frozen=True, slots=True)
class Subject(Generic[S]):
    """`plural` is the word for several of them, `feed` the name under which it is kept how far they were compared."""

    name: str
    plural: str
    feed: str
    open: Callable[[str, Vendors, Tools], Records[S]]
    entities: Sequence[Entity[S]]
    companions: Sequence[Callable[[str, Vendors, Tools], Companion[S]]] = ()

    def names(self) -> tuple[str, ...]:
        return tuple(one.name for one in self.entities)

    def entity(self, name: str) -> Entity[S]:
        """Raises KeyError for none of its own."""
        return {one.name: one for one in self.entities}[name]

    def findings(self, seen: S, of: Iterable[str]) -> list[Finding]:
        """Raises ValueError for findings that the ledger could not tell apart, or not find again."""
        found = [finding for name in of for finding in self.entity(name).findings(seen)]
        places = {finding.place for finding in found if finding.key == seen.key}
        if len(places) != len(found):
            raise ValueError(f"{self.name} {seen.key}: each finding has the record's key, and a kind of its own")
        return found
