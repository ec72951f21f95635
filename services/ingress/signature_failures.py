"""Signature failures: an alert per connection and a rate limit per sender address. No I/O.

Ten failures of a connection within a minute, or ten in a row, raise an alert: a wrong secret looks the same as an
attack, and stops all of a shop's orders. An address that sends many failures and never a valid signature is throttled;
a proxy that also forwards valid ones is not, or an attacker could lock the shop out.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from shared.runtime.clock import Clock

# Addresses remembered of each kind, least recently used dropped first: an attacker has as many as he likes.
_REMEMBERED = 10_000
_MINUTE = 60.0
_DAY = 86_400.0


@dataclass(slots=True)
class _FailureBucket:
    """Failures that an address has left at a time."""

    left: float
    at: float


class SenderThrottle:
    """A token bucket per failing address: each failure takes a token; a minute refills it."""

    def __init__(self, per_minute: float) -> None:
        self._most = per_minute
        self._buckets: OrderedDict[str, _FailureBucket] = OrderedDict()
        self._good: OrderedDict[str, None] = OrderedDict()

    def is_throttled(self, address: str, now: float) -> bool:
        bucket = self._buckets.get(address)
        return bucket is not None and self._left(bucket, now) < 1

    def failed(self, address: str, now: float) -> None:
        if not self._most or address in self._good:
            return
        bucket = self._buckets.get(address) or _FailureBucket(self._most, now)
        self._buckets[address] = _FailureBucket(max(0.0, self._left(bucket, now) - 1), now)
        self._buckets.move_to_end(address)
        while len(self._buckets) > _REMEMBERED:
            self._buckets.popitem(last=False)

    def proved(self, address: str) -> None:
        """A valid signature came from this address: it is never throttled."""
        if address in self._good:
            return
        self._good[address] = None
        self._buckets.pop(address, None)
        while len(self._good) > _REMEMBERED:
            self._good.popitem(last=False)

    def __len__(self) -> int:
        return len(self._buckets) + len(self._good)

    def _left(self, bucket: _FailureBucket, now: float) -> float:
        return min(self._most, bucket.left + (now - bucket.at) * self._most / _MINUTE)


@dataclass(slots=True)
class _Count:
    """Failures: `total` since the last quiet time, `in_a_row` without a valid one; `told_at` while the alert is on."""

    latest: deque[float]
    total: int = 0
    in_a_row: int = 0
    told_at: float | None = None


@dataclass(frozen=True, slots=True)
class AlertChange:
    """The alert of a connection is raised, repeated or resolved; `failures` since it was raised."""

    connection: str
    failures: int
    is_over: bool


@dataclass
class FailureAlert:
    """Per connection: `count` failures within `seconds`, or in a row, raise the alert.

    It is resolved after `seconds` without a failure if a valid signature came since; else after a day.
    """

    count: int
    seconds: float
    _counts: dict[str, _Count] = field(default_factory=dict)
    _proved: set[str] = field(default_factory=set)

    def add(self, connection: str, now: float) -> AlertChange | None:
        """Count a failure; the alert it raises, repeated once per `seconds`, since another replica may resolve it."""
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
        return AlertChange(connection, state.total, is_over=False)

    def good(self, connection: str) -> AlertChange | None:
        """A valid signature came. The first of this process resolves what an earlier process may have left raised."""
        if state := self._counts.get(connection):
            state.in_a_row = 0
        if connection in self._proved:
            return None
        self._proved.add(connection)
        return None if state and state.told_at is not None else AlertChange(connection, 0, is_over=True)

    def quiet(self, now: float) -> list[AlertChange]:
        """The alerts that are resolved by now; quiet connections are forgotten."""
        over = [name for name, state in self._counts.items() if self._is_over(state, now - state.latest[-1])]
        states = [(name, self._counts.pop(name)) for name in over]
        return [AlertChange(name, state.total, is_over=True) for name, state in states if state.told_at is not None]

    def _is_over(self, state: _Count, quiet_for: float) -> bool:
        return quiet_for > (max(self.seconds, _DAY) if state.in_a_row else self.seconds)


class SignatureFailures:
    """Throttle and alert on one clock; `tell` is called with each change of an alert."""

    def __init__(
        self, addresses: SenderThrottle, alarm: FailureAlert, clock: Clock, tell: Callable[[AlertChange], None]
    ) -> None:
        self._addresses = addresses
        self._alarm = alarm
        self._clock = clock
        self._tell = tell

    def is_throttled(self, address: str) -> bool:
        return self._addresses.is_throttled(address, self._clock.monotonic())

    def failed(self, address: str) -> None:
        self._addresses.failed(address, self._clock.monotonic())

    def proved(self, address: str, connection: str) -> None:
        """A request from this address for this connection had a valid signature."""
        self._addresses.proved(address)
        if change := self._alarm.good(connection):
            self._tell(change)

    def count(self, connection: str) -> None:
        """A request for this connection was rejected for its signature."""
        if change := self._alarm.add(connection, self._clock.monotonic()):
            self._tell(change)

    def resolve_quiet(self) -> None:
        """Resolve the alerts of connections that have become quiet; to be called regularly."""
        for change in self._alarm.quiet(self._clock.monotonic()):
            self._tell(change)
