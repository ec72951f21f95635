"""The watermark of a partition: the offset before which everything is finished."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass


@dataclass(slots=True)
class _Taken:
    offset: int
    size: int
    timestamp: int
    finished: bool = False


class Watermark:
    """Records of one partition in one assignment, from taken to finished.

    Offsets come in rising order, with holes where the log has them. `position` is what may be committed: one past
    the last record before which all are finished; None until something was taken or the position was given.
    """

    __slots__ = ("_by_offset", "_open", "held_bytes", "position", "taken")

    def __init__(self, position: int | None = None) -> None:
        self.position = position
        self.taken: int | None = None
        self.held_bytes = 0
        self._open: deque[_Taken] = deque()
        self._by_offset: dict[int, _Taken] = {}

    @property
    def held(self) -> int:
        """How many records are beyond the watermark, including finished ones."""
        return len(self._open)

    def went_back(self, offset: int) -> bool:
        """Whether a batch that begins here was read before.

        The client never does so within an assignment, unless the log no longer has what would come next.
        """
        return self.taken is not None and offset <= self.taken

    @property
    def oldest(self) -> int | None:
        """Timestamp (ms) of the oldest unfinished record; None when all are finished."""
        return self._open[0].timestamp if self._open else None

    def take(self, offset: int, size: int, timestamp: int) -> bool:
        """Note a record as taken. False for one that was taken before (fetched again): it must not run twice."""
        if self.went_back(offset):
            return False
        if not self._open:
            self.position = offset
        self.taken = offset
        record = _Taken(offset, size, timestamp)
        self._open.append(record)
        self._by_offset[offset] = record
        self.held_bytes += size
        return True

    def finish(self, offset: int) -> None:
        """The record's result, parked row or dead letter is durable. Unknown offsets are ignored."""
        record = self._by_offset.pop(offset, None)
        if record is None:
            return
        record.finished = True
        while self._open and self._open[0].finished:
            passed = self._open.popleft()
            self.held_bytes -= passed.size
            self.position = passed.offset + 1
