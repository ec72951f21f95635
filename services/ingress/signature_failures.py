"""Counts signature failures: raises an alert per connection, throttles sender addresses. No I/O.

Ten failures of a connection within a minute, or ten in a row, raise an alert: a wrong secret, which stops all of a
shop's webhooks, looks the same as an attack. An address that sends many failures and never a valid signature is
throttled. An address that ever sent a valid one is not: it may be a proxy through which an attacker could otherwise
have the shop's own webhooks throttled.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from shared.runtime.clock import Clock

# Addresses kept of each kind, oldest dropped first; limited, since an attacker can use any number of addresses.
_REMEMBERED = 10_000
_MINUTE = 60.0
_DAY = 86_400.0


@dataclass(slots=True)
class _FailureBucket:
    """How many failures an address had `left` at the time `at`."""

    left: float
    at: float


class SenderThrottle:
    """A token bucket per failing address: each failure takes a token; a minute refills it."""

    def __init__(self, per_minute: float) -> None:
        self._most = per_minute
        self._buckets: OrderedDict[str, _FailureBucket] = OrderedDict()
        self._verified: OrderedDict[str, None] = OrderedDict()

    def is_throttled(self, address: str, now: float) -> bool:
        bucket = self._buckets.get(address)
        return bucket is not None and self._left(bucket, now) < 1

    def failed(self, address: str, now: float) -> None:
        if not self._most or address in self._verified:
            return
        bucket = self._buckets.get(address) or _FailureBucket(self._most, now)
        self._buckets[address] = _FailureBucket(max(0.0, self._left(bucket, now) - 1), now)
        self._buckets.move_to_end(address)
        while len(self._buckets) > _REMEMBERED:
            self._buckets.popitem(last=False)

    def verified(self, address: str) -> None:
        """Record that a valid signature came from this address: from now on it is not throttled."""
        if address in self._verified:
            return
        self._verified[address] = None
        self._buckets.pop(address, None)
        while len(self._verified) > _REMEMBERED:
            self._verified.popitem(last=False)

    def __len__(self) -> int:
        return len(self._buckets) + len(self._verified)

    def _left(self, bucket: _FailureBucket, now: float) -> float:
        return min(self._most, bucket.left + (now - bucket.at) * self._most / _MINUTE)


@dataclass(slots=True)
class _Count:
    """Failures of a connection.

    `latest` are the last times, `total` counts since the last quiet period, `in_a_row` since the last valid signature.
    `alerted_at` is when the alert was last raised, None while there is none.
    """

    latest: deque[float]
    total: int = 0
    in_a_row: int = 0
    alerted_at: float | None = None


@dataclass(frozen=True, slots=True)
class AlertChange:
    """The alert of a connection is raised, repeated or resolved, after so many `failures`."""

    connection: str
    failures: int
    is_resolved: bool


@dataclass
class FailureAlert:
    """Decides when a connection's alert is raised and resolved.

    `count` failures within `seconds`, or in a row, raise it. It is resolved after `seconds` without a failure if a
    valid signature came after the last failure, else after a day without a failure.
    """

    count: int
    seconds: float
    _counts: dict[str, _Count] = field(default_factory=dict)
    _verified: set[str] = field(default_factory=set)

    def add(self, connection: str, now: float) -> AlertChange | None:
        """Count a failure and return the alert that it raises, if any.

        The alert is repeated once per `seconds`, since another replica may have resolved it.
        """
        state = self._counts.setdefault(connection, _Count(deque(maxlen=self.count)))
        state.latest.append(now)
        state.total += 1
        state.in_a_row += 1
        is_many = len(state.latest) == self.count and now - state.latest[0] <= self.seconds
        if not is_many and state.in_a_row < self.count:
            return None
        if state.alerted_at is not None and now - state.alerted_at < self.seconds:
            return None
        state.alerted_at = now
        return AlertChange(connection, state.total, is_resolved=False)

    def verified(self, connection: str) -> AlertChange | None:
        """Record a valid signature.

        The first one in this process resolves an alert that an earlier process may have left open.
        """
        if state := self._counts.get(connection):
            state.in_a_row = 0
        if connection in self._verified:
            return None
        self._verified.add(connection)
        return None if state and state.alerted_at is not None else AlertChange(connection, 0, is_resolved=True)

    def resolve_quiet(self, now: float) -> list[AlertChange]:
        """Forget quiet connections and return their alerts as resolved."""
        quiet = [name for name, state in self._counts.items() if self._is_quiet(state, now - state.latest[-1])]
        states = [(name, self._counts.pop(name)) for name in quiet]
        return [
            AlertChange(name, state.total, is_resolved=True) for name, state in states if state.alerted_at is not None
        ]

    def _is_quiet(self, state: _Count, quiet_for: float) -> bool:
        return quiet_for > (max(self.seconds, _DAY) if state.in_a_row else self.seconds)


class SignatureFailures:
    """The throttle and the alerts on one clock. `publish` is called with each change of an alert."""

    def __init__(
        self, throttle: SenderThrottle, alert: FailureAlert, clock: Clock, publish: Callable[[AlertChange], None]
    ) -> None:
        self._throttle = throttle
        self._alert = alert
        self._clock = clock
        self._publish = publish

    def is_throttled(self, address: str) -> bool:
        return self._throttle.is_throttled(address, self._clock.monotonic())

    def failed(self, address: str) -> None:
        self._throttle.failed(address, self._clock.monotonic())

    def verified(self, address: str, connection: str) -> None:
        """Record that a request from this address for this connection had a valid signature."""
        self._throttle.verified(address)
        if change := self._alert.verified(connection):
            self._publish(change)

    def count(self, connection: str) -> None:
        """Count a request for this connection that was rejected for its signature."""
        if change := self._alert.add(connection, self._clock.monotonic()):
            self._publish(change)

    def resolve_quiet(self) -> None:
        """Resolve the alerts of connections that have become quiet; to be called regularly."""
        for change in self._alert.resolve_quiet(self._clock.monotonic()):
            self._publish(change)
