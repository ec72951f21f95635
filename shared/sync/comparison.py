"""Types of the comparison of both systems.

Subjects, their records, and the entities compared within them.

A subject is what is listed and read as a whole, for instance an order. Its entities are compared each by itself: the
order, its payments, its shipments. They come from the `comparison` of the specs in shared/entities/table.py.
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
    """One record as both vendors hold it at one moment, and what is stored of it."""

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
        """Whether nothing about it is in progress, so that a difference counts."""
        ...


S = TypeVar("S", bound=Snapshot)
# Vendors' clocks differ from ours: a timestamp further ahead than this is not compared with them.
_SKEW = timedelta(minutes=5)


def changed_at(seen: Snapshot) -> datetime:
    """The newest change on either side, by that side's clock."""
    here, there = seen.stamps
    return max(here, there or here)


def is_settled(seen: Snapshot, now: datetime, settling: timedelta) -> bool:
    """Whether changes in progress have had time to be written."""
    age = now - changed_at(seen)
    return age >= settling or age < -_SKEW


@dataclass(frozen=True, slots=True)
class ReadResult(Generic[S]):
    """Snapshots, and by key why other records could not be read: those are not compared."""

    snapshots: list[S]
    unread: dict[str, str]


@dataclass(frozen=True, slots=True)
class Slice:
    """Keys of one part of a full pass, and where the next part starts; None after the last."""

    keys: list[str]
    go_on: datetime | None


class Records(Protocol[S]):
    """A subject's records of one connection. Every method raises what the clients and the database raise."""

    async def since(self, moment: datetime, *, everything: bool = False) -> list[str]:
        """Keys that either vendor changed since; without `everything`, fewer: not those found equal before."""
        ...

    async def slice(self, start: datetime, end: datetime, size: int) -> Slice:
        """About `size` keys that changed from `start` to `end`, the oldest change first."""
        ...

    async def read(self, keys: Sequence[str], now: datetime) -> ReadResult[S]:
        """Read these records; those that no vendor has are left out."""
        ...


@dataclass(frozen=True, slots=True)
class Vendors:
    """Both vendors of one connection. Calls are made at repair priority, behind live work."""

    shopify: ShopifyConnection
    heartland: HeartlandConnection


class Companion(Protocol[S]):
    """Adds the data of one entity to the records of another one, within which it is compared.

    For one connection.

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
    """What a subject's records are read with, besides the vendors.

    `entities` are those of the subject: while one of their events has been received and not ended, for `in_flight` at
    most, a difference does not count. `companions` open the companions of entities compared within the records.
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

    `compare` finds at most one difference of each kind per record, under the record's own key, by which the drift
    ledger recognises it. `held` reads what the target holds before a repair, so that it can be undone. `notices` ask
    for the repair. `is_decided`: a person has decided about the record as it is, so a repair would only ask the same
    again. `advice` tells a person what to do, by kind of difference. Kinds in `unrepairable` are never repaired, even
    on request.
    """

    name: str
    compare: Callable[[S], Iterator[Finding]]
    held: Callable[[Drift, Vendors], Awaitable[Json]]
    notices: Callable[[Drift, Vendors, datetime], Awaitable[Sequence[RepairNotice]]]
    is_decided: Callable[[S], bool] = _not_decided
    advice: Mapping[str, str] = field(default_factory=dict)
    unrepairable: frozenset[str] = frozenset()

    def findings(self, seen: S) -> Iterator[Finding]:
        """The differences, without repairable ones that a person has already decided about."""
        return (one for one in self.compare(seen) if not (one.repairable and self.is_decided(seen)))


@dataclass(frozen=True, slots=True)
class Subject(Generic[S]):
    """What is listed and read as a whole.

    `feed` names its stored position, `plural` is the word for several.
    """

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
        """The differences of these entities. Raises ValueError for two of one kind, or under another key."""
        found = [finding for name in of for finding in self.entity(name).findings(seen)]
        places = {finding.place for finding in found if finding.key == seen.key}
        if len(places) != len(found):
            raise ValueError(f"{self.name} {seen.key}: each finding has the record's key, and a kind of its own")
        return found
