"""A circuit breaker per connection and system: when the target fails, it lets nothing through for a while.

aiobreaker keeps the state. What it lacks is ours: it lets every waiting call through once half-open, counts a call that
began before it opened, and knows failures in a row only. Here one probe tests the water, late failures change nothing,
failures among the latest calls of a sliding window open it, and a target that is back is not met with everything that
has waited. The refusal of a single event never counts, only TargetDown does; and where a target answers, only with
failures, it takes those of several records: one that it cannot stand must not stop the others.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import TypeVar

from aiobreaker import CircuitBreaker, CircuitBreakerState
from aiobreaker.storage.memory import CircuitMemoryStorage

from shared.errors import TargetDown
from shared.limits.call_context import subjects
from shared.runtime.clock import Clock

R = TypeVar("R")

CLOSED, HALF_OPEN, OPEN = 0, 1, 2
_STATES = {
    CLOSED: CircuitBreakerState.CLOSED,
    HALF_OPEN: CircuitBreakerState.HALF_OPEN,
    OPEN: CircuitBreakerState.OPEN,
}
# How soon a call that meets a probe under way asks again, seconds; and one for which there is no room yet.
_PROBE_WAIT = 0.5
_RAMP_WAIT = 0.1
# Calls at a time after the probe went well: twice as many after each round of them, up to these. Then as many as come.
_RAMP_FIRST = 2
_RAMP_LAST = 16


class Breaker:
    """`async with breaker:` around each call. Raises TargetDown, with the seconds to wait, while it is open.

    It opens when `failures` of the latest 2 * `failures` calls failed, all within `window_seconds`: a burst opens it at
    once whatever went well before, and a rare failure among many calls never does; nor do failures that all concern the
    same record, as long as the target answers. It stays open for `open_seconds`,
    or for as long as the target itself said; then one probe goes, then 2 calls at a time, 4, 8, 16, then all.
    `name` is `<connection>/<system>`. `on_change` gets the new state, 0, 1 or 2, and the error that led to it, if any.
    `on_first_success` is called once.
    """

    def __init__(
        self,
        name: str,
        *,
        failures: int = 5,
        window_seconds: float = 30.0,
        open_seconds: float = 3.0,
        clock: Clock,
        on_change: Callable[[int, BaseException | None], object] | None = None,
        on_first_success: Callable[[], object] = lambda: None,
    ) -> None:
        self.name = name
        self._target = name.rpartition("/")[2]
        self._storage = CircuitMemoryStorage(CircuitBreakerState.CLOSED)
        self._machine = CircuitBreaker(fail_max=failures, state_storage=self._storage, name=name)
        self._state = CLOSED
        self._most = failures
        self._window = window_seconds
        self._open_seconds = open_seconds
        self._clock = clock
        self._on_change = on_change
        self._on_first_success = on_first_success
        # The latest calls: when each ended, and, if it failed, which records it can be laid on (none: the target).
        self._latest: deque[tuple[float, frozenset[str] | None]] = deque(maxlen=2 * failures)
        # When calls for the sake of these records last went well: the latest two.
        self._well: dict[frozenset[str], float] = {}
        self._until = 0.0
        # Calls under way by task, each with the generation it began in; a change of state begins a new one.
        self._begun: dict[asyncio.Task[object] | None, int] = {}
        self._generation = 0
        self._probing = False
        # Calls at a time while ramping up, None for as many as come; those under way; successes left of this round.
        self._room: int | None = None
        self._inside = 0
        self._left = 0

    @property
    def state(self) -> int:
        return self._state

    @property
    def generation(self) -> int:
        """Counts the changes of state."""
        return self._generation

    async def call(self, work: Callable[[], Awaitable[R]]) -> R:
        """The result of `work` behind the breaker. Raises what `work` raises, itself and unwrapped."""
        async with self:
            return await work()

    def check(self) -> None:
        """Raise what `begin` would raise now, and change nothing: for who would have to queue before it."""
        if self._state == OPEN:
            left = self._until - self._clock.monotonic()
            if left > 0:
                raise TargetDown(f"the breaker of {self.name} is open", after=left, target=self._target)
        elif self._probing:
            raise TargetDown(f"the breaker of {self.name} waits for its probe", _PROBE_WAIT, target=self._target)
        elif self._room is not None and self._inside >= self._room:
            raise TargetDown(
                f"{self.name} is back and gets its calls little by little", _RAMP_WAIT, target=self._target
            )

    def begin(self) -> int:
        """Let a call through, which hands what it gets here to `end`; `async with` does both. Raises TargetDown."""
        self.check()
        if self._state == OPEN:
            self._move(HALF_OPEN)
        if self._state == HALF_OPEN:
            self._probing = True
        self._inside += 1
        return self._generation

    def end(self, generation: int, error: BaseException | None) -> None:
        """The call has ended, with this error if any."""
        if generation != self._generation:
            return  # it began before the state changed: what it learnt is old
        self._probing = False
        self._inside -= 1
        if error is None:
            self._note_success()
        elif isinstance(error, TargetDown):
            self._note_failure(error)
        elif isinstance(error, Exception):
            self._note_success()

    async def __aenter__(self) -> None:
        generation = self.begin()
        self._begun[asyncio.current_task()] = generation

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end(self._begun.pop(asyncio.current_task(), self._generation), error)

    def _note_failure(self, error: TargetDown) -> None:
        now = self._clock.monotonic()
        suspects = subjects() if error.answered else frozenset[str]()
        if suspects:
            error.well_at = max((at for others, at in self._well.items() if not others & suspects), default=None)
        self._latest.append((now, suspects))
        failed = [bad for at, bad in self._latest if bad is not None and at >= now - self._window]
        if self._state == HALF_OPEN or (len(failed) >= self._most and not frozenset.intersection(*failed)):
            self._until = now + max(self._open_seconds, error.after or 0.0)
            self._room = None
            self._move(OPEN, error)

    def _note_success(self) -> None:
        now = self._clock.monotonic()
        if not self._well:
            self._on_first_success()
        self._latest.append((now, None))
        self._well.pop(subjects(), None)
        self._well[subjects()] = now
        if len(self._well) > 2:
            del self._well[next(iter(self._well))]
        if self._state == HALF_OPEN:
            self._latest.clear()
            self._room = self._left = _RAMP_FIRST
            self._move(CLOSED)
        elif self._room is not None:
            self._left -= 1
            if self._left == 0:
                self._room = self._left = self._room * 2
            if self._room > _RAMP_LAST:
                self._room = None

    def _move(self, state: int, error: BaseException | None = None) -> None:
        # Not by aiobreaker's open(): it keeps its deadline on the wall clock, by a call that Python 3.12 deprecates.
        self._machine.state = self._storage.state = _STATES[state]
        self._state = state
        self._generation += 1
        self._probing = False
        self._inside = 0
        if self._on_change is not None:
            self._on_change(state, error)
