"""Signatures that do not match: how many a connection gets, and from which address they come. No I/O.

Two questions are kept apart. For whom is it alarming? Ten bad ones within a minute, or with no good one between, are an
alert about the connection: a wrong secret looks the same as an attack, and stops all of a shop's orders. Who is barred?
An address that sends many and never a good one; a proxy, through which good ones come too, is not, or a forger could
lock the shop out.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from shared.runtime.clock import Clock

# Addresses remembered of either kind, the latest used; a forger has as many addresses as he likes.
_REMEMBERED = 10_000
_MINUTE = 60.0
_DAY = 86_400.0


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
    """`total` since it was last quiet, `in_a_row` without a good one between; `told_at` while the alert is raised."""

    latest: deque[float]
    total: int = 0
    in_a_row: int = 0
    told_at: float | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """An alert about a connection begins or goes on, or is over; `failures` since it began."""

    connection: str
    failures: int
    is_over: bool


@dataclass
class Alarm:
    """Per connection: `count` failures within `seconds`, or without a good one between, raise it.

    It is over after `seconds` without any and a good one since; without a good one after a day.
    """

    count: int
    seconds: float
    _counts: dict[str, _Count] = field(default_factory=dict)
    _proved: set[str] = field(default_factory=set)

    def add(self, connection: str, now: float) -> Change | None:
        """The alert that this failure raises; told again once per `seconds`, since another replica may end it."""
        state = self._counts.setdefault(connection, _Count(deque(maxlen=self.count)))
        state.latest.append(now)
        state.total += 1
        state.in_a_row += 1
        is_many = len(state.latest) == self.count and now - state.latest[0] <= self.seconds
        if not is_many and state.in_a_row < self.count:
            return None
        if state.told_at is not None and now - state.told_at < self.seconds:
            return None
        state.told_at = now
        return Change(connection, state.total, is_over=False)

    def good(self, connection: str) -> Change | None:
        """A good one came. The first of this process ends what an earlier one may have left raised."""
        if state := self._counts.get(connection):
            state.in_a_row = 0
        if connection in self._proved:
            return None
        self._proved.add(connection)
        return None if state and state.told_at is not None else Change(connection, 0, is_over=True)

    def quiet(self, now: float) -> list[Change]:
        """The alerts that are over, and nothing is remembered of connections that are quiet."""
        over = [name for name, state in self._counts.items() if self._is_over(state, now - state.latest[-1])]
        states = [(name, self._counts.pop(name)) for name in over]
        return [Change(name, state.total, is_over=True) for name, state in states if state.told_at is not None]

    def _is_over(self, state: _Count, quiet_for: float) -> bool:
        return quiet_for > (max(self.seconds, _DAY) if state.in_a_row else self.seconds)


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

    def proved(self, address: str, connection: str) -> None:
        """A request from there for this connection bore a good signature."""
        self._addresses.proved(address)
        if change := self._alarm.good(connection):
            self._tell(change)

    def count(self, connection: str) -> None:
        """A request for this connection was refused for its signature."""
        if change := self._alarm.add(connection, self._clock.monotonic()):
            self._tell(change)

    def look(self) -> None:
        """Now and then: what has become quiet is over."""
        for change in self._alarm.quiet(self._clock.monotonic()):
            self._tell(change)
