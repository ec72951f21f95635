"""No committed offset passes unfinished work, at any kill and at the end."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from itertools import accumulate
from math import inf

from tests.prove.check.case import Case
from tests.prove.check.report import Violation
from tests.prove.check.road import ENDS, Entry, Road, Step, seconds

# Offsets are asked for a moment after the stamp of their sample; all clocks are one machine's.
_TOLERANCE_SECONDS = 1.0
_DURABLE = ENDS | {"parked"}


def check(case: Case) -> Iterator[Violation]:
    tracks = {
        (step.group, step.topic, partition): Track(case.road, step, entries)
        for step in case.steps
        for partition, entries in _by_partition(case.road.entries[step.topic]).items()
    }
    told: set[tuple[str, int, int]] = set()
    for row in case.offsets:
        track = tracks.get((row["group"], row["topic"], row["partition"]))
        found = track.unfinished(row["offset"], seconds(row["at"]) + _TOLERANCE_SECONDS) if track else None
        if found is None or found.place in told:
            continue
        told.add(found.place)
        yield Violation("passed", f"at {row['why']}, {row['group']} had committed {row['offset']}, past {found}")


class Track:
    """One partition as one group went along it."""

    def __init__(self, road: Road, step: Step, entries: list[Entry]) -> None:
        self._entries = sorted(entries, key=lambda entry: entry.offset)
        self._offsets = [entry.offset for entry in self._entries]
        self._done = [_done_at(road, step, entry) for entry in self._entries]
        # Up to each record, when the last one before it was done.
        self._all_done = list(accumulate(self._done, max))

    def unfinished(self, committed: int, at: float) -> Entry | None:
        """The first record below the committed offset that was not done with at that moment."""
        count = bisect_left(self._offsets, committed)
        if not count or self._all_done[count - 1] <= at:
            return None
        return next(entry for entry, done in zip(self._entries, self._done, strict=True) if done > at)


def _done_at(road: Road, step: Step, entry: Entry) -> float:
    """When the record was first done with, or durably waiting."""
    return min((hop.at for hop in road.of(step.service, entry) if hop.outcome in _DURABLE), default=inf)


def _by_partition(entries: list[Entry]) -> dict[int, list[Entry]]:
    found: defaultdict[int, list[Entry]] = defaultdict(list)
    for entry in entries:
        found[entry.partition].append(entry)
    return found
