"""Records that the broker has not acknowledged yet, and the tasks that wait for them."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from shared.errors import TargetDown
from shared.messaging.envelope import Headers


class FlushGroup:
    """Trace and alert records sent between two flushes: `open` are not acknowledged yet."""

    __slots__ = ("open", "settled")

    def __init__(self) -> None:
        self.open = 0
        self.settled = asyncio.Event()

    def add(self) -> None:
        """Count one more unacknowledged record."""
        self.open += 1
        self.settled.clear()


@dataclass(slots=True, eq=False)
class PendingRecord:
    """One unacknowledged record. A task waits for `done`; records of a `flush_group` have none."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers
    done: asyncio.Future[None] | None = None
    flush_group: FlushGroup | None = None
    failures: int = 0

    @property
    def is_over(self) -> bool:
        """Whether it was acknowledged or refused, or its sender has stopped waiting."""
        return self.done is not None and self.done.done()

    def settle(self, error: Exception | None = None) -> None:
        if self.flush_group is not None:
            self.flush_group.open -= 1
            if self.flush_group.open == 0:
                self.flush_group.settled.set()
            self.flush_group = None
        if self.done is None or self.done.done():
            return
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)


def not_acknowledged(topic: str, seconds: float) -> str:
    """The error of a record that the broker did not acknowledge in time."""
    return f"Kafka did not acknowledge a record of {topic} within {seconds:g} s"


class Deadlines:
    """Time-outs of records: one timer for all with the same time-out.

    A timeout of its own for each record costs a tenth of what sending it does.
    """

    def __init__(self) -> None:
        self._waiting: dict[float, deque[tuple[float, PendingRecord]]] = {}
        self._timers: dict[float, asyncio.TimerHandle] = {}

    def add(self, pending: PendingRecord, seconds: float) -> None:
        """`pending.done` fails with TargetDown after `seconds`, unless it is over by then."""
        loop = asyncio.get_running_loop()
        waiting = self._waiting.setdefault(seconds, deque())
        # Acknowledgements come nearly in the order of sending, so few that are over stay behind one that is not.
        while waiting and waiting[0][1].is_over:
            waiting.popleft()
        waiting.append((loop.time() + seconds, pending))
        if seconds not in self._timers:
            self._timers[seconds] = loop.call_later(seconds, self._expire, seconds)

    def _expire(self, seconds: float) -> None:
        loop, waiting = asyncio.get_running_loop(), self._waiting[seconds]
        del self._timers[seconds]
        while waiting:
            at, pending = waiting[0]
            if not pending.is_over:
                if at > loop.time():
                    self._timers[seconds] = loop.call_at(at, self._expire, seconds)
                    return
                pending.settle(TargetDown(not_acknowledged(pending.topic, seconds)))
            waiting.popleft()

    def close(self) -> None:
        """Stop the timers; waiting tasks get their errors elsewhere."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
