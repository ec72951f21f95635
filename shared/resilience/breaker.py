"""A circuit breaker per connection and system: after a run of failures of the target it lets nothing through for a while.

aiobreaker keeps the state. What it lacks is ours: it lets every waiting call through once half-open, counts a call that
began before it opened, and knows failures in a row only. Here one probe tests the water, late failures change nothing,
and a share of failures in a sliding window opens it. The refusal of a single event never counts, only TargetDown does.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from types import TracebackType

from aiobreaker import CircuitBreaker, CircuitBreakerState

from shared.errors import TargetDown
from shared.runtime.clock import Clock

CLOSED, HALF_OPEN, OPEN = 0, 1, 2
_NUMBERS = {
    CircuitBreakerState.CLOSED: CLOSED,
    CircuitBreakerState.HALF_OPEN: HALF_OPEN,
    CircuitBreakerState.OPEN: OPEN,
}
# How soon a call that meets a probe under way asks again, seconds.
_PROBE_WAIT = 0.5


class Breaker:
    """`async with breaker:` around each call. Raises TargetDown, with the seconds to wait, while it is open.

    It opens after `failures` failures within `window_seconds`, when they are at least half of the calls in it, for
    `open_seconds` or for as long as the target itself said. `on_change` gets the new state: 0, 1 or 2.
    """

    def __init__(
        self,
        name: str,
        *,
        failures: int = 5,
        window_seconds: float = 30.0,
        open_seconds: float = 10.0,
        clock: Clock,
        on_change: Callable[[int], object] | None = None,
    ) -> None:
        self.name = name
        self._machine = CircuitBreaker(fail_max=failures, timeout_duration=timedelta(seconds=open_seconds), name=name)
        self._most = failures
        self._window = window_seconds
        self._open_seconds = open_seconds
        self._clock = clock
        self._on_change = on_change
        self._failed: deque[float] = deque(maxlen=1000)
        self._worked: deque[float] = deque(maxlen=1000)
        self._until = 0.0
        # Calls under way by task, each with the generation it began in; a change of state begins a new one.
        self._begun: dict[asyncio.Task[object] | None, int] = {}
        self._generation = 0
        self._probing = False

    @property
    def state(self) -> int:
        return _NUMBERS[self._machine.current_state]

    async def __aenter__(self) -> None:
        if self.state == OPEN:
            left = self._until - self._clock.monotonic()
            if left > 0:
                raise TargetDown(f"the breaker of {self.name} is open", after=left)
            self._move(HALF_OPEN)
        if self.state == HALF_OPEN:
            if self._probing:
                raise TargetDown(f"the breaker of {self.name} waits for its probe", after=_PROBE_WAIT)
            self._probing = True
        self._begun[asyncio.current_task()] = self._generation

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        generation = self._begun.pop(asyncio.current_task(), self._generation)
        if generation != self._generation:
            return  # it began before the state changed: what it learnt is old
        self._probing = False
        if isinstance(error, TargetDown):
            self._note_failure(error.after)
        elif error is None or isinstance(error, Exception):
            self._note_success()

    def _note_failure(self, after: float | None) -> None:
        now = self._clock.monotonic()
        self._failed.append(now)
        self._trim(now)
        often = len(self._failed) >= self._most and len(self._failed) >= len(self._worked)
        if self.state == HALF_OPEN or often:
            self._until = now + max(self._open_seconds, after or 0.0)
            self._move(OPEN)

    def _note_success(self) -> None:
        self._worked.append(self._clock.monotonic())
        if self.state == HALF_OPEN:
            self._failed.clear()
            self._move(CLOSED)

    def _trim(self, now: float) -> None:
        for times in (self._failed, self._worked):
            while times and times[0] < now - self._window:
                times.popleft()

    def _move(self, state: int) -> None:
        {OPEN: self._machine.open, HALF_OPEN: self._machine.half_open, CLOSED: self._machine.close}[state]()
        self._generation += 1
        self._probing = False
        if self._on_change is not None:
            self._on_change(state)
