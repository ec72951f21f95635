"""The checker's own parser of the topics: records, hops and dead letters, from topics.jsonl.

It keeps only what the guarantees need, and a digest instead of each body, so that a long run fits into memory.
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
Position = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of the pipeline: a topic, the service and group that consume it, and the topic it publishes to.

    `vendors` are called by the stage. `collapses`: the records are states, of which only the newest waiting one of a
    key is processed. `reference` reads from a body the id of the vendor's record that it is about.
    """

    topic: str
    service: str
    group: str
    vendors: tuple[str, ...] = ()
    output_topic: str = ""
    collapses: bool = False
    reference: Callable[[Json], str] = lambda _: ""

    @property
    def process(self) -> str:
        """The process name of this group, without the replica's number."""
        return self.group.replace("_", "-")


# Processes on one virtual machine were seen to read clocks some milliseconds apart.
CLOCK_SKEW_SECONDS: Final = 0.5
# Outcomes that finish a record. `retrying` does not, and `parked` only while the key is parked.
FINAL_OUTCOMES: Final = frozenset(
    ("applied", "published", "superseded", "duplicate", "echo", "stale", "skipped", "review", "dead_letter")
)


@dataclass(frozen=True, slots=True)
class TopicRecord:
    """A record on a topic. `at` is its timestamp in seconds; `lineage` are the ids of the events it was made from.

    `reference` is the id that its stage reads from the body; `content` the content hash of a canonical record.
    """

    topic: str
    partition: int
    offset: int
    at: float
    key: str
    headers: Mapping[str, str]
    digest: str
    lineage: tuple[str, ...] = ()
    reference: str = ""
    content: str = ""

    @property
    def id(self) -> str:
        return self.headers.get("ce_id", "")

    @property
    def position(self) -> Position:
        return self.topic, self.partition, self.offset

    def __str__(self) -> str:
        return f"{self.id} of {self.key} at {self.topic}:{self.partition}:{self.offset}"


@dataclass(frozen=True, slots=True)
class Hop:
    """One hop: a service's outcome for an event. `at` is the hop record's timestamp, `version` that of the state."""

    event: str
    service: str
    key: str
    outcome: str
    at: float
    finished: str
    version: str
    detail: str = ""


@dataclass
class TopicData:
    """Everything on the topics. `hops` are by service and event, oldest first."""

    records: dict[str, list[TopicRecord]] = field(default_factory=lambda: defaultdict(list))
    hops: dict[tuple[str, str], list[Hop]] = field(default_factory=lambda: defaultdict(list))
    dead_letters: list[TopicRecord] = field(default_factory=list)

    def sort(self) -> None:
        for hops in self.hops.values():
            hops.sort(key=lambda hop: hop.at)

    def hops_of(self, service: str, record: TopicRecord) -> list[Hop]:
        """The service's hops for this record; not those for an earlier record of the same event."""
        since = record.at - CLOCK_SKEW_SECONDS
        return [hop for hop in self.hops.get((service, record.id), ()) if hop.at >= since]

    def hops_at(self, stage: Stage) -> Iterator[Hop]:
        """All hops of the stage's service for events on its topic."""
        events = dict.fromkeys(record.id for record in self.records[stage.topic])
        return (hop for event in events for hop in self.hops.get((stage.service, event), ()))


def read_topic_data(path: Path, stages: Iterable[Stage]) -> TopicData:
    topic_data, references = TopicData(), {stage.topic: stage.reference for stage in stages}
    for row in read_rows(path):
        topic, value = row["topic"], row["value"]
        if topic == "trace":
            for one in value:
                hop = _hop(row, one)
                topic_data.hops[hop.service, hop.event].append(hop)
        elif topic.startswith("dlq."):
            topic_data.dead_letters.append(_topic_record(row, value))
        elif topic != "alert":
            topic_data.records[topic].append(_topic_record(row, value, references.get(topic)))
    topic_data.sort()
    return topic_data


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


def _topic_record(row: Json, value: Any, reference: Callable[[Json], str] | None = None) -> TopicRecord:
    body = value if isinstance(value, dict) else {}
    return TopicRecord(
        topic=row["topic"],
        partition=row["partition"],
        offset=row["offset"],
        at=row["timestamp"] / 1000,
        key=row["key"] or "",
        headers=row["headers"],
        digest=digest(value),
        lineage=tuple(body.get("lineage") or ()),
        reference=reference(body) if reference else "",
        content=str(body.get("content_hash") or ""),
    )


def service_of(process: str) -> str:
    """The service of a process: `poller` for `poller-2`."""
    name, _, replica = process.rpartition("-")
    return name if replica.isdigit() else process


def digest(value: Any) -> str:
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()


def seconds(text: str) -> float:
    """An ISO 8601 timestamp as seconds since 1970."""
    return datetime.fromisoformat(text).timestamp()
