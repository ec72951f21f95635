"""A lane (the queue of one key), and a unit of work taken from it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import Enum

from shared.messaging.record import Record, Unreadable

LaneKey = tuple[str, str]  # topic on the broker, key as text
Partition = tuple[str, int]  # topic on the broker, number


class Kind(Enum):
    """What to do with a unit of work."""

    RUN = "run"  # hand the records to the handler
    APPEND = "append"  # the key is parked: put them behind what waits
    RETRY_PARKED = "retry_parked"  # the key is parked and due: try what waits; carries no records of its own
    UNREADABLE = "unreadable"  # unreadable: to the dead letters


@dataclass(slots=True, eq=False)
class Lane:
    """One key. `attempts` counts failed tries of its first record, `tries` all of them (for the backoff).

    `down_since` is when its first record first met its vendor down, on the monotonic clock, and `alone_since` when it
    first did so while others were answered well.
    """

    key: LaneKey
    connection: str
    waiting: deque[Record | Unreadable] = field(default_factory=deque)
    working: bool = False
    resting: bool = False
    queued: bool = False
    retry_due: bool = False
    attempts: int = 0
    tries: int = 0
    down_since: float | None = None
    alone_since: float | None = None


@dataclass(slots=True, eq=False)
class Work:
    """Records of one lane for one task. Return it with `finish` or `rest`."""

    kind: Kind
    lane: Lane
    epoch: int
    records: list[Record]
    unreadable: Unreadable | None = None

    @property
    def key(self) -> LaneKey:
        return self.lane.key


def lane_key(record: Record) -> LaneKey:
    """The lane of a record. Without a Kafka key every record is alone in its lane."""
    return (record.topic, key_text(record.key) if record.key is not None else synthetic(record))


def key_text(key: bytes) -> str:
    """The key as text that PostgreSQL can store, even if its bytes are not UTF-8 or contain NUL."""
    return key.decode("utf-8", "backslashreplace").replace("\0", "\\x00")


def synthetic(record: Record | Unreadable) -> str:
    """A unique key for a record without one."""
    return f"#{record.partition}:{record.offset}"
