"""Guarantee: no committed offset is past an unfinished record, at any kill and at the end."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from itertools import accumulate
from math import inf

from tests.prove.check.report import Violation
from tests.prove.check.run_data import RunData
from tests.prove.check.topic_data import FINAL_OUTCOMES, Stage, TopicData, TopicRecord, seconds

# The time between a sample's timestamp and the broker's answer; all clocks are one machine's.
_TOLERANCE_SECONDS = 1.0
_DURABLE = FINAL_OUTCOMES | {"parked"}


def check(data: RunData) -> Iterator[Violation]:
    tracks = {
        (stage.group, stage.topic, partition): PartitionProgress(data.topic_data, stage, records)
        for stage in data.stages
        for partition, records in _by_partition(data.topic_data.records[stage.topic]).items()
    }
    reported: set[tuple[str, int, int]] = set()
    for row in data.offsets:
        track = tracks.get((row["group"], row["topic"], row["partition"]))
        found = track.unfinished(row["offset"], seconds(row["at"]) + _TOLERANCE_SECONDS) if track else None
        if found is None or found.position in reported:
            continue
        reported.add(found.position)
        yield Violation(
            "early_commit", f"at {row['why']}, {row['group']} had committed {row['offset']}, past unfinished {found}"
        )


class PartitionProgress:
    """The progress of one consumer group in one partition."""

    def __init__(self, topic_data: TopicData, stage: Stage, records: list[TopicRecord]) -> None:
        self._entries = sorted(records, key=lambda record: record.offset)
        self._offsets = [record.offset for record in self._entries]
        self._done = [_done_at(topic_data, stage, record) for record in self._entries]
        # For each record, when it and all before it were finished.
        self._all_done = list(accumulate(self._done, max))

    def unfinished(self, committed: int, at: float) -> TopicRecord | None:
        """The first record below the committed offset that was not finished at that time."""
        count = bisect_left(self._offsets, committed)
        if not count or self._all_done[count - 1] <= at:
            return None
        return next(record for record, done in zip(self._entries, self._done, strict=True) if done > at)


def _done_at(topic_data: TopicData, stage: Stage, record: TopicRecord) -> float:
    """When the record was first finished or durably parked."""
    return min((hop.at for hop in topic_data.hops_of(stage.service, record) if hop.outcome in _DURABLE), default=inf)


def _by_partition(records: list[TopicRecord]) -> dict[int, list[TopicRecord]]:
    found: defaultdict[int, list[TopicRecord]] = defaultdict(list)
    for record in records:
        found[record.partition].append(record)
    return found
