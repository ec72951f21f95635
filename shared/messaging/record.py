"""The interface of handlers.

Records of one key, the result, and the route that binds a handler to a topic.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from shared.canonical.priority import Priority, most_urgent
from shared.limits.call_context import CallContext
from shared.messaging.envelope import Envelope, Headers
from shared.messaging.topics import Topic

# Approximate memory of a record besides its bytes: the objects around it. Memory bounds include it.
_OVERHEAD_BYTES = 512


@dataclass(slots=True)
class Record:
    """One event that a service processes.

    `topic` is the name on the broker (with prefix); `timestamp` is the broker's, milliseconds since 1970 UTC;
    `attempts` counts this try too. `key` and `headers` are those of the Kafka record, unchanged. `urgent` False: it
    waited out an outage, and what comes in now goes before it.
    """

    envelope: Envelope
    topic: str
    partition: int
    offset: int
    timestamp: int
    attempts: int = 1
    key: bytes | None = None
    headers: Headers | tuple[tuple[str, bytes], ...] = ()
    urgent: bool = True

    @property
    def priority(self) -> Priority:
        """The priority of its calls to vendors.

        Records that waited for the end of an outage go behind live ones.
        """
        return self.envelope.priority if self.urgent else "backfill"

    @property
    def written_at(self) -> datetime:
        """When the record entered its topic (aware, UTC)."""
        return datetime.fromtimestamp(self.timestamp / 1000, UTC)


@dataclass(slots=True)
class Unreadable:
    """A record whose envelope cannot be read. It never reaches a handler."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    headers: Headers | tuple[tuple[str, bytes], ...]
    body: bytes | None
    reason: str


def priority_of(records: Iterable[Record]) -> Priority:
    """The priority of records that are handled together: that of the most urgent one."""
    return most_urgent(record.priority for record in records)


def context_of(records: Sequence[Record]) -> CallContext:
    """The context of the requests that handling these records of one aggregate makes."""
    return CallContext(priority_of(records), frozenset((records[-1].envelope.subject,)))


def size_of(key: bytes | None, body: bytes | None) -> int:
    """Approximate bytes that a record takes in memory."""
    return _OVERHEAD_BYTES + len(key or b"") + len(body or b"")


@dataclass(frozen=True, slots=True)
class Result:
    """How an event ended.

    `outcome` is one of `trace.OUTCOMES`; the ids are for the journal, empty where unknown.

    `source_time` defaults to the envelope's time, `lineage` names the events that were merged into this one.
    """

    outcome: str
    detail: str = ""
    order_number: str = ""
    shopify_id: str = ""
    heartland_id: str = ""
    source_time: datetime | None = None
    lineage: tuple[str, ...] = ()


Handler = Callable[[Sequence[Record]], Awaitable[Result]]


@dataclass(frozen=True, slots=True)
class Route:
    """One topic, who handles it, and how its keys behave.

    collapse: the handler gets all waiting records of a key, oldest first; all but the last are superseded.
    give_up: what becomes of a key whose retries are used up: `halt` keeps it for a person, `skip` lets its next
    record pass.
    writes: its handler writes a vendor's record. A key that is written again and again is in a loop: it is parked, with
    a review.
    """

    topic: Topic
    handle: Handler
    entity: str
    collapse: bool
    give_up: Literal["halt", "skip"] = "halt"
    writes: bool = False


@dataclass(frozen=True, slots=True)
class ConsumerOptions:
    """Bounds and times of one consumer. Times are in seconds.

    outage_park_seconds: for how long a vendor is down before what waits for it goes to the database; meanwhile, and
    for keys that are there, it is tried at least every `outage_rest_seconds`.
    drain_seconds: for how long work in hand may go on when the service stops. handover_seconds: the same before
    partitions go to another process; shorter, since all of the group's wait meanwhile.
    max_hops: an event that has come further is a loop, and a person looks at it. So is a key that was written
    `loop_writes` times within `loop_seconds`: it is parked for as long.
    dead_letter_share: above it, among the last events, the service stops.
    awaited: asked every `awaited_check_seconds`, while keys wait for something named, which of the names now exist.
    Names have the form `<connection>|<waits_for>`; it answers with those of them that exist.
    """

    concurrency: int = 32
    lane_attempts: int = 3
    park_schedule: tuple[float, ...] = (60.0, 300.0, 900.0, 3600.0)
    waiting_give_up_seconds: float = 7 * 24 * 3600.0
    max_records: int = 2_000
    max_bytes: int = 16 * 1024 * 1024
    commit_seconds: float = 0.5
    drain_seconds: float = 25.0
    handover_seconds: float = 8.0
    retry_check_seconds: float = 1.0
    awaited: Callable[[set[str]], Awaitable[set[str]]] | None = None
    awaited_check_seconds: float = 5.0
    max_dead_letters_in_a_row: int = 1_000
    dead_letter_share: float = 0.5
    outage_park_seconds: float = 20.0
    outage_rest_seconds: float = 5.0
    max_hops: int = 12
    loop_writes: int = 15
    loop_seconds: float = 60.0
    backoff_base_seconds: float = 0.2
    backoff_cap_seconds: float = 30.0
    session_timeout_seconds: float = 30.0
    rebalance_timeout_seconds: float = 60.0
    heartbeat_seconds: float = 3.0
