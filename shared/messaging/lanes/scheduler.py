"""Schedules ready lanes: connections take turns, live work goes before parked keys."""

from __future__ import annotations

from collections import OrderedDict, deque

from shared.messaging.lanes.lane import Lane

# While both kinds wait, every n-th turn goes to a parked key, so that a busy day does not starve them.
_RETRY_EVERY = 4


class Rotation:
    """Round robin of connections: one shop's backlog does not starve another's."""

    def __init__(self) -> None:
        self._ready: OrderedDict[str, deque[Lane]] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._ready)

    def add(self, lane: Lane) -> None:
        ready = self._ready.get(lane.connection)
        if ready is None:
            ready = self._ready[lane.connection] = deque()
        ready.append(lane)

    def remove(self, lane: Lane) -> None:
        """Remove a lane. Linear, and used only where few wait."""
        ready = self._ready[lane.connection]
        ready.remove(lane)
        if not ready:
            del self._ready[lane.connection]

    def take(self) -> Lane:
        """The next lane; call it only if there is one."""
        connection, ready = next(iter(self._ready.items()))
        lane = ready.popleft()
        if ready:
            self._ready.move_to_end(connection)
        else:
            del self._ready[connection]
        return lane


class Scheduler:
    """Two rotations: records as they arrive, and parked keys that are due.

    Retrying a parked key takes as long as its backlog and is not urgent: at most `most_retries` run at once, and one
    turn of four is theirs while records wait too.
    """

    def __init__(self, most_retries: int) -> None:
        self.retries = 0
        self._most = most_retries
        self._live = Rotation()
        self._parked = Rotation()
        self._since_retry = 0

    @property
    def is_ready(self) -> bool:
        return bool(self._live) or self._may_retry

    @property
    def _may_retry(self) -> bool:
        return bool(self._parked) and self.retries < self._most

    def add(self, lane: Lane) -> None:
        """Add a lane. Records of a due key go first: they are appended to the parked ones before the retry."""
        (self._live if lane.waiting else self._parked).add(lane)

    def move_to_live(self, lane: Lane) -> None:
        """Move a lane to the live rotation: its first record arrived while it waited for its retry."""
        self._parked.remove(lane)
        self._live.add(lane)

    def take(self) -> Lane | None:
        """The next lane. Call `retry_began` and `retry_ended` around the retry of a parked key."""
        if self._may_retry and (not self._live or self._since_retry >= _RETRY_EVERY - 1):
            self._since_retry = 0
            return self._parked.take()
        if not self._live:
            return None
        self._since_retry += bool(self._parked)
        return self._live.take()

    def retry_began(self) -> None:
        self.retries += 1

    def retry_ended(self) -> None:
        self.retries -= 1
