"""Signatures that do not match: how many a connection gets, and from which address they come. No I/O.

Two questions are kept apart. For whom is it alarming? Ten bad ones within a minute are an alert about the connection:
a wrong secret looks the same as an attack, and stops all of a shop's orders. Who is barred? An address that sends many
and never a good one; a proxy, through which good ones come too, is not, or a forger could lock the shop out.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from shared.runtime.clock import Clock

# Addresses remembered of either kind, the latest used; a forger has as many addresses as he likes.
_REMEMBERED = 10_000
_MINUTE = 60.0


@dataclass(slots=True)
class Bucket:
    """Failures that an address has left, and when that was."""

    left: float
    at: float


class Addresses:
    """A token bucket per address that failed: it empties with failures and fills again in a minute."""

    def __init__(self, per_minute: float) -> None:
        self._most = per_minute
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()
        self._good: OrderedDict[str, None] = OrderedDict()

    def is_barred(self, address: str, now: float) -> bool:
        bucket = self._buckets.get(address)
        return bucket is not None and self._left(bucket, now) < 1

    def failed(self, address: str, now: float) -> None:
        if not self._most or address in self._good:
            return
        bucket = self._buckets.get(address) or Bucket(self._most, now)
        self._buckets[address] = Bucket(max(0.0, self._left(bucket, now) - 1), now)
        self._buckets.move_to_end(address)
        while len(self._buckets) > _REMEMBERED:
            self._buckets.popitem(last=False)

    def proved(self, address: str) -> None:
        """A good signature came from there."""
        if address in self._good:
            return
        self._good[address] = None
        self._buckets.pop(address, None)
        while len(self._good) > _REMEMBERED:
            self._good.popitem(last=False)

    def __len__(self) -> int:
        return len(self._buckets) + len(self._good)

    def _left(self, bucket: Bucket, now: float) -> float:
        return min(self._most, bucket.left + (now - bucket.at) * self._most / _MINUTE)


@dataclass(slots=True)
class _Count:
    latest: deque[float]
    total: int = 0
    is_raised: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """An alert about a connection begins (or goes on), or is over; `failures` since it began."""

    connection: str
    failures: int
    is_over: bool


@dataclass
class Alarm:
    """Per connection: `count` failures within `seconds` raise it, as long without any end it."""

    count: int
    seconds: float
    _counts: dict[str, _Count] = field(default_factory=dict)

    def add(self, connection: str, now: float) -> Change | None:
        """The alert that this failure raises; once per window."""
        state = self._counts.setdefault(connection, _Count(deque(maxlen=self.count)))
        state.latest.append(now)
        state.total += 1
        is_full = len(state.latest) == self.count and now - state.latest[0] <= self.seconds
        if not is_full or state.is_raised:
            return None
        state.is_raised = True
        return Change(connection, state.total, is_over=False)

    def quiet(self, now: float) -> list[Change]:
        """The alerts that are over, and nothing is remembered of connections that are quiet."""
        over = [name for name, state in self._counts.items() if now - state.latest[-1] > self.seconds]
        states = [(name, self._counts.pop(name)) for name in over]
        return [Change(name, state.total, is_over=True) for name, state in states if state.is_raised]


class Forgeries:
    """Both, on one clock; `tell` hears of alerts."""

    def __init__(self, addresses: Addresses, alarm: Alarm, clock: Clock, tell: Callable[[Change], None]) -> None:
        self._addresses = addresses
        self._alarm = alarm
        self._clock = clock
        self._tell = tell

    def is_barred(self, address: str) -> bool:
        return self._addresses.is_barred(address, self._clock.monotonic())

    def failed(self, address: str) -> None:
        self._addresses.failed(address, self._clock.monotonic())

    def proved(self, address: str) -> None:
        self._addresses.proved(address)

    def count(self, connection: str) -> None:
        """A request for this connection was refused for its signature."""
        if change := self._alarm.add(connection, self._clock.monotonic()):
            self._tell(change)

    def look(self) -> None:
        """Now and then: what has become quiet is over."""
        for change in self._alarm.quiet(self._clock.monotonic()):
            self._tell(change)
