"""Lanes: one queue per key, so that records of a key stay in order while other keys proceed.

The consumer's core, without I/O: records go in, units of work come out, finished work moves the watermark. The
consumer awaits the handlers. Each unit of work belongs to one assignment (`epoch`); what is returned after a rebalance
is ignored, since another process may own the key by then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from shared.messaging.lanes.lane import Kind, Lane, LaneKey, Partition, Work, lane_key, synthetic
from shared.messaging.lanes.scheduler import Scheduler
from shared.messaging.lanes.watermark import Watermark
from shared.messaging.record import Record, Unreadable, size_of


class Lanes:
    """All lanes of one consumer.

    collapse: per topic on the broker, whether a key's waiting records go out together.
    concurrency: keys in work at once. max_records, max_bytes: per partition beyond the watermark, before it is full.
    """

    def __init__(self, collapse: Mapping[str, bool], *, concurrency: int, max_records: int, max_bytes: int) -> None:
        self.epoch = 0
        self.running = 0
        self._collapse = collapse
        self._concurrency = concurrency
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._held = True
        self._lanes: dict[LaneKey, Lane] = {}
        self._parked: set[LaneKey] = set()
        self._watermarks: dict[Partition, Watermark] = {}
        self._scheduler = self._new_scheduler()

    # Assignments.

    def assign(self, partitions: Iterable[Partition]) -> int:
        """Start a new assignment, whose epoch is returned; nothing runs before `open`."""
        self._forget()
        self._watermarks = {partition: Watermark() for partition in partitions}
        return self.epoch

    def open(self) -> None:
        """Allow work to start: the parked keys are loaded."""
        self._held = False

    def hold(self) -> None:
        """Start no new work; running work may finish."""
        self._held = True

    def revoke(self) -> None:
        """End the assignment. Work in progress belongs to a past epoch from now on."""
        self._forget()

    def _forget(self) -> None:
        self.epoch += 1
        self.running = 0
        self._held = True
        self._lanes = {}
        self._parked = set()
        self._watermarks = {}
        self._scheduler = self._new_scheduler()

    def _new_scheduler(self) -> Scheduler:
        """Retries of parked keys take half of the slots at most, and one at least."""
        return Scheduler(max(1, self._concurrency // 2))

    # Intake.

    def add(self, record: Record) -> bool:
        """Queue a record behind the others of its key.

        False if taken before, or its partition is not assigned.
        """
        if not self._take(record, size_of(record.key, record.envelope.body)):
            return False
        self._queue(lane_key(record), record.envelope.connection, record)
        return True

    def add_unreadable(self, record: Unreadable) -> bool:
        """Queue an unreadable record for the dead letters, in a lane of its own. False as for `add`."""
        if not self._take(record, size_of(record.key, record.body)):
            return False
        self._queue((record.topic, synthetic(record)), "", record)
        return True

    def _take(self, record: Record | Unreadable, size: int) -> bool:
        watermark = self._watermarks.get((record.topic, record.partition))
        return watermark is not None and watermark.take(record.offset, size, record.timestamp)

    def _queue(self, key: LaneKey, connection: str, record: Record | Unreadable) -> None:
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(key, connection)
        lane.waiting.append(record)
        if lane.queued and lane.retry_due and len(lane.waiting) == 1:
            self._scheduler.move_to_live(lane)
        self._make_ready(lane)

    # Taking work.

    def next(self) -> Work | None:
        """The next unit of work; None while nothing is ready, all slots are in use, or work is on hold."""
        if self._held or self.running >= self._concurrency:
            return None
        lane = self._scheduler.take()
        if lane is None:
            return None
        lane.queued = False
        lane.working = True
        self.running += 1
        return self._cut(lane)

    def _cut(self, lane: Lane) -> Work:
        if not lane.waiting:
            self._scheduler.retry_began()
            return Work(Kind.RETRY_PARKED, lane, self.epoch, [])
        first = lane.waiting[0]
        if isinstance(first, Unreadable):
            lane.waiting.popleft()
            return Work(Kind.UNREADABLE, lane, self.epoch, [], first)
        if lane.key in self._parked:
            return Work(Kind.APPEND, lane, self.epoch, self._take_all(lane))
        if self._collapse[lane.key[0]]:
            return Work(Kind.RUN, lane, self.epoch, self._take_all(lane))
        lane.waiting.popleft()
        return Work(Kind.RUN, lane, self.epoch, [first])

    @staticmethod
    def _take_all(lane: Lane) -> list[Record]:
        records = [record for record in lane.waiting if isinstance(record, Record)]
        lane.waiting.clear()
        return records

    # Returning work.

    def is_current(self, work: Work) -> bool:
        """Whether the work belongs to the current assignment."""
        return work.epoch == self.epoch

    def finish(self, work: Work) -> bool:
        """Record that the work is durably done. False, without effect, if its assignment is over."""
        if not self.is_current(work):
            return False
        for record in work.records:
            self._watermarks[(record.topic, record.partition)].finish(record.offset)
        if work.unreadable is not None:
            partition = (work.unreadable.topic, work.unreadable.partition)
            self._watermarks[partition].finish(work.unreadable.offset)
        lane = work.lane
        lane.attempts = lane.tries = 0
        lane.down_since = lane.alone_since = None
        if work.kind is Kind.RETRY_PARKED:
            lane.retry_due = False
        self._release(work)
        return True

    def rest(self, work: Work) -> bool:
        """Return the work to its lane, which repeats it after `wake`. False if its assignment is over."""
        if not self.is_current(work):
            return False
        if work.unreadable is not None:
            work.lane.waiting.appendleft(work.unreadable)
        work.lane.waiting.extendleft(reversed(work.records))
        work.lane.resting = True
        self._release(work)
        return True

    def abandon(self, work: Work) -> bool:
        """Free the slot and leave the records unfinished: another process owns them by now.

        False as for `rest`.

        The lane stays blocked: later records of the key are not ours either, and the watermark stays before them.
        """
        if not self.is_current(work):
            return False
        self.running -= 1
        if work.kind is Kind.RETRY_PARKED:
            self._scheduler.retry_ended()
        return True

    def wake(self, work: Work) -> bool:
        """End the rest of the work's lane. False if its assignment is over."""
        if not self.is_current(work):
            return False
        work.lane.resting = False
        self._make_ready(work.lane)
        return True

    def _release(self, work: Work) -> None:
        lane = work.lane
        lane.working = False
        self.running -= 1
        if work.kind is Kind.RETRY_PARKED:
            self._scheduler.retry_ended()
        self._make_ready(lane)
        if not (lane.queued or lane.resting or lane.waiting):
            del self._lanes[lane.key]

    def _make_ready(self, lane: Lane) -> None:
        if lane.queued or lane.working or lane.resting or not (lane.waiting or lane.retry_due):
            return
        lane.queued = True
        self._scheduler.add(lane)

    # Parked keys.

    @property
    def parked(self) -> frozenset[LaneKey]:
        return frozenset(self._parked)

    def park(self, key: LaneKey) -> None:
        """Mark the key as parked: its later records are appended to the parked ones."""
        self._parked.add(key)

    def unpark(self, key: LaneKey) -> None:
        """Mark the key as no longer parked: its records run again."""
        self._parked.discard(key)

    def retry_parked(self, key: LaneKey, connection: str) -> None:
        """Queue a retry of the parked key, after its waiting records have been appended."""
        self._parked.add(key)
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(key, connection)
        if not (lane.working and lane.retry_due):
            lane.retry_due = True
        self._make_ready(lane)

    # State.

    def __len__(self) -> int:
        """How many keys are in work or waiting."""
        return len(self._lanes)

    @property
    def is_ready(self) -> bool:
        """Whether `next` would return work."""
        return self._scheduler.is_ready and not self._held and self.running < self._concurrency

    def partitions(self) -> set[Partition]:
        """The partitions of this assignment."""
        return set(self._watermarks)

    def positions(self) -> dict[Partition, int]:
        """Positions that may be committed, for each partition with a known one."""
        return {partition: mark.position for partition, mark in self._watermarks.items() if mark.position is not None}

    def start_at(self, partition: Partition, position: int) -> None:
        """Set the committed position of a partition, for its lag before the first record."""
        mark = self._watermarks.get(partition)
        if mark is not None and mark.position is None:
            mark.position = position

    def oldest(self, topic: str) -> int | None:
        """Timestamp (ms) of the topic's oldest unfinished record; None when all are finished."""
        stamps = [mark.oldest for (name, _), mark in self._watermarks.items() if name == topic]
        return min((stamp for stamp in stamps if stamp is not None), default=None)

    def went_back(self, partition: Partition, offset: int) -> bool:
        """Whether a batch that begins here repeats offsets that this assignment has taken."""
        mark = self._watermarks.get(partition)
        return mark is not None and mark.went_back(offset)

    def is_full(self, partition: Partition) -> bool:
        """Whether the partition's bound in records or bytes is reached."""
        return self._fills(partition, 1.0)

    def has_room(self, partition: Partition) -> bool:
        """Whether the partition is down to half of both bounds."""
        return not self._fills(partition, 0.5)

    def _fills(self, partition: Partition, share: float) -> bool:
        mark = self._watermarks.get(partition)
        if mark is None:
            return False
        return mark.held >= self._max_records * share or mark.held_bytes >= self._max_bytes * share
