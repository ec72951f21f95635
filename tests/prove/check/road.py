"""The checker's own reading of the topics: records, hops and dead letters, by their headers alone.

Only what the promises need is kept of a record; of its body a digest, so that a long run fits into memory.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import orjson

from tests.prove.history import read_rows

Json = dict[str, Any]
Place = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class Step:
    """One stretch of the road: who reads the topic, in which group, and what comes of what is `published` there.

    `vendors` are those that are called meanwhile. `collapses`: the records are states, of which only the newest of a
    key counts while they wait. `mark` tells what a record is about, from its body.
    """

    topic: str
    service: str
    group: str
    vendors: tuple[str, ...] = ()
    onwards: str = ""
    collapses: bool = False
    mark: Callable[[Json], str] = lambda _: ""

    @property
    def process(self) -> str:
        """As the processes of this group are called, the number of the replica left out."""
        return self.group.replace("_", "-")


# Processes of one virtual machine were seen to read clocks that are some milliseconds apart.
CLOCKS_APART_SECONDS: Final = 0.5
# A record that ended in one of these is done with; `retrying` is none of them, and `parked` only while it is parked.
ENDS: Final = frozenset(
    ("applied", "published", "superseded", "duplicate", "echo", "stale", "skipped", "review", "dead_letter")
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A record on a topic. `at` is when it was written, in seconds; `lineage` are the events that it stands for.

    `mark` is what it is about, as its step reads it; `content` is what a canonical record says of itself: two that say
    the same have the same.
    """

    topic: str
    partition: int
    offset: int
    at: float
    key: str
    headers: Mapping[str, str]
    digest: str
    lineage: tuple[str, ...] = ()
    mark: str = ""
    content: str = ""

    @property
    def id(self) -> str:
        return self.headers.get("ce_id", "")

    @property
    def place(self) -> Place:
        return self.topic, self.partition, self.offset

    def __str__(self) -> str:
        return f"{self.id} of {self.key} at {self.topic}:{self.partition}:{self.offset}"


@dataclass(frozen=True, slots=True)
class Hop:
    """What one service said of one event. `at` is when that was written, `version` the state it was about."""

    event: str
    service: str
    key: str
    outcome: str
    at: float
    finished: str
    version: str
    detail: str = ""


@dataclass
class Road:
    """All there is on the topics. Hops are by service and event, oldest first."""

    entries: dict[str, list[Entry]] = field(default_factory=lambda: defaultdict(list))
    hops: dict[tuple[str, str], list[Hop]] = field(default_factory=lambda: defaultdict(list))
    letters: list[Entry] = field(default_factory=list)

    def sort(self) -> None:
        for hops in self.hops.values():
            hops.sort(key=lambda hop: hop.at)

    def of(self, service: str, entry: Entry) -> list[Hop]:
        """What the service said of this very record: not what it said before of an event that came twice."""
        since = entry.at - CLOCKS_APART_SECONDS
        return [hop for hop in self.hops.get((service, entry.id), ()) if hop.at >= since]

    def said(self, step: Step) -> Iterator[Hop]:
        """All that was ever said on this stretch."""
        events = dict.fromkeys(entry.id for entry in self.entries[step.topic])
        return (hop for event in events for hop in self.hops.get((step.service, event), ()))


def read_road(path: Path, steps: Iterable[Step]) -> Road:
    road, marks = Road(), {step.topic: step.mark for step in steps}
    for row in read_rows(path):
        topic, value = row["topic"], row["value"]
        if topic == "trace":
            for one in value:
                hop = _hop(row, one)
                road.hops[hop.service, hop.event].append(hop)
        elif topic.startswith("dlq."):
            road.letters.append(_entry(row, value))
        elif topic != "alert":
            road.entries[topic].append(_entry(row, value, marks.get(topic)))
    road.sort()
    return road


def _hop(row: Json, value: Json) -> Hop:
    return Hop(
        event=value["event_id"],
        service=value["service"],
        key=f"{value['connection']}|{value['key']}",
        outcome=value["outcome"],
        at=row["timestamp"] / 1000,
        finished=value["finished_at"],
        version=value.get("source_time") or "",
        detail=value.get("detail") or "",
    )


def _entry(row: Json, value: Any, mark: Callable[[Json], str] | None = None) -> Entry:
    body = value if isinstance(value, dict) else {}
    return Entry(
        topic=row["topic"],
        partition=row["partition"],
        offset=row["offset"],
        at=row["timestamp"] / 1000,
        key=row["key"] or "",
        headers=row["headers"],
        digest=digest(value),
        lineage=tuple(body.get("lineage") or ()),
        mark=mark(body) if mark else "",
        content=str(body.get("content_hash") or ""),
    )


def service_of(process: str) -> str:
    """`poller` of `poller-2`."""
    name, _, replica = process.rpartition("-")
    return name if replica.isdigit() else process


def digest(value: Any) -> str:
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()


def seconds(text: str) -> float:
    """An ISO 8601 moment as seconds since 1970."""
    return datetime.fromisoformat(text).timestamp()
