"""Circuit breaker per connection and system: while the target fails as a whole, no call goes out.

aiobreaker's state machine decides between closed, open and half-open: whether a failure opens it, whether a call may
pass, and what a probe's end leads to. Around it stands what the library lacks: its failure counter is a sliding window
over the latest calls instead of failures in a row; one probe goes at a time instead of every call that waits; what
began before a change of state does not count; after an outage calls come back little by little.

The refusal of a single event never counts, only TargetDown does. Where the target answers, if only with failures, they
must concern several records: one record that the target cannot process must not stop the others.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

from aiobreaker import CircuitBreaker, CircuitBreakerError, CircuitBreakerListener, CircuitBreakerState
from aiobreaker.state import CircuitOpenState
from aiobreaker.storage.memory import CircuitMemoryStorage

from shared.errors import TargetDown
from shared.runtime.clock import Clock

R = TypeVar("R")

CLOSED, HALF_OPEN, OPEN = 0, 1, 2
_NUMBERS = {
    CircuitBreakerState.CLOSED: CLOSED,
    CircuitBreakerState.HALF_OPEN: HALF_OPEN,
    CircuitBreakerState.OPEN: OPEN,
}
# How soon a call that meets a probe under way asks again, seconds; and one for which there is no room yet.
_PROBE_WAIT = 0.5
_RAMP_WAIT = 0.1
# Calls at a time after the probe went well: twice as many after each round of them, up to these. Then as many as come.
_RAMP_FIRST = 2
_RAMP_LAST = 16


class _Window(CircuitMemoryStorage):  # type: ignore[misc]
    """aiobreaker's storage with a sliding window as failure counter.

    Failures among the latest 2 * `most` calls.

    They count if they are not older than `seconds`, and only if no single record explains all of them.
    """

    def __init__(self, most: int, seconds: float, clock: Clock) -> None:
        super().__init__(CircuitBreakerState.CLOSED)
        self._seconds = seconds
        self._clock = clock
        # When each call ended, and, if it failed, which records it can be laid on (none: the target).
        self._latest: deque[tuple[float, frozenset[str] | None]] = deque(maxlen=2 * most)

    def note(self, suspects: frozenset[str] | None) -> None:
        """Record the end of a call: a success (None), or a failure that concerns these records."""
        self._latest.append((self._clock.monotonic(), suspects))

    def clear(self) -> None:
        self._latest.clear()

    @property
    def counter(self) -> int:
        """Failures in the window, which aiobreaker compares with its `fail_max`."""
        since = self._clock.monotonic() - self._seconds
        failed = [suspects for at, suspects in self._latest if suspects is not None and at >= since]
        return 0 if failed and frozenset.intersection(*failed) else len(failed)


class _Open(CircuitOpenState):  # type: ignore[misc]
    """aiobreaker's open state by our clock.

    Its own reads the wall clock, by a call that Python 3.12 deprecates.
    """

    def before_call(self, func: Any = None, *args: Any, **kwargs: Any) -> None:
        if self._breaker.seconds_left() > 0:
            raise CircuitBreakerError("open", None)


class _Machine(CircuitBreaker):  # type: ignore[misc]
    """aiobreaker's state machine. `until` is when the open state ends, by the monotonic clock."""

    def __init__(self, name: str, most: int, window: _Window, clock: Clock, listener: CircuitBreakerListener) -> None:
        super().__init__(fail_max=most, state_storage=window, name=name, listeners=[listener])
        self._clock = clock
        self.until = 0.0

    def seconds_left(self) -> float:
        return float(self.until - self._clock.monotonic())

    @property
    def opens_at(self) -> None:
        """The library puts this into an error that is never shown; computing it would read the wall clock."""

    def open(self) -> None:
        self.state = self._state_storage.state = CircuitBreakerState.OPEN

    def _create_new_state(self, new_state: CircuitBreakerState, prev_state: Any = None, notify: bool = False) -> Any:
        kind = _Open if new_state is CircuitBreakerState.OPEN else new_state.value
        return kind(self, prev_state=prev_state, notify=notify)


class _Listener(CircuitBreakerListener):  # type: ignore[misc]
    """Forwards aiobreaker's state changes."""

    def __init__(self, changed: Callable[[int], None]) -> None:
        self._changed = changed

    def state_change(self, breaker: CircuitBreaker, old: Any, new: Any) -> None:
        self._changed(_NUMBERS[new.state])


class Breaker:
    """`call`, or `begin` and `end`, around each call.

    Raises TargetDown, with the seconds to wait, while it is open.

    It opens when `failures` of the latest 2 * `failures` calls failed, all within `window_seconds`: a burst opens it at
    once whatever succeeded before, and a rare failure among many calls never does; nor do failures of one record only,
    as long as the target answers. It stays open for `open_seconds`, or for the Retry-After of the target; then it lets
    one probe through, then 2 concurrent calls, 4, 8, 16, then all.
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
        self._window = _Window(failures, window_seconds, clock)
        self._machine = _Machine(name, failures, self._window, clock, _Listener(self._changed))
        self._open_seconds = open_seconds
        self._clock = clock
        self._on_change = on_change
        self._on_first_success = on_first_success
        # The failure being reported to aiobreaker: the cause of a state change.
        self._cause: TargetDown | None = None
        # When calls for these records last succeeded: the latest two.
        self._well: dict[frozenset[str], float] = {}
        # A change of state begins a new generation.
        self._generation = 0
        self._probing = False
        # Calls at a time while ramping up, None for as many as come; those under way; successes left of this round.
        self._room: int | None = None
        self._inside = 0
        self._left = 0

    @property
    def state(self) -> int:
        """CLOSED, HALF_OPEN or OPEN, as aiobreaker has it."""
        return _NUMBERS[self._machine.current_state]

    @property
    def generation(self) -> int:
        """Counts the changes of state."""
        return self._generation

    async def call(self, work: Callable[[], Awaitable[R]], subjects: frozenset[str] = frozenset()) -> R:
        """The result of `work`, a call for these records. Raises what `work` raises, itself and unwrapped."""
        generation = self.begin()
        error: BaseException | None = None
        try:
            return await work()
        except BaseException as caught:
            error = caught
            raise
        finally:
            self.end(generation, error, subjects)

    def check(self) -> None:
        """Raise what `begin` would raise now, without side effects: checked before waiting for a rate limit."""
        try:
            self._machine.state.before_call(None)
        except CircuitBreakerError:
            left = self._machine.seconds_left()
            raise TargetDown(f"the breaker of {self.name} is open", after=left, target=self._target) from None
        if self._probing:
            raise TargetDown(f"the breaker of {self.name} waits for its probe", _PROBE_WAIT, target=self._target)
        if self._room is not None and self._inside >= self._room:
            raise TargetDown(
                f"{self.name} is back and gets its calls little by little", _RAMP_WAIT, target=self._target
            )

    def begin(self) -> int:
        """Admit a call; pass the returned generation to `end`. `call` does both. Raises TargetDown."""
        self.check()
        if self.state == OPEN:
            self._machine.half_open()
        if self.state == HALF_OPEN:
            self._probing = True
        self._inside += 1
        return self._generation

    def end(self, generation: int, error: BaseException | None, subjects: frozenset[str] = frozenset()) -> None:
        """The call for these records has ended, with this error if any."""
        if generation != self._generation:
            return  # it began before the state changed: its result is stale
        self._probing = False
        self._inside -= 1
        if error is None:
            self._note_success(subjects)
        elif isinstance(error, TargetDown):
            self._note_failure(error, subjects)
        elif isinstance(error, Exception):
            self._note_success(subjects)

    def _note_failure(self, error: TargetDown, subjects: frozenset[str]) -> None:
        suspects = subjects if error.answered else frozenset[str]()
        if suspects:
            error.well_at = max((at for others, at in self._well.items() if not others & suspects), default=None)
        self._window.note(suspects)
        self._cause = error
        # The library raises its own error on opening; the caller gets the original failure.
        with suppress(CircuitBreakerError):
            self._machine.state.on_failure(error)
        self._cause = None

    def _note_success(self, subjects: frozenset[str]) -> None:
        if not self._well:
            self._on_first_success()
        self._window.note(None)
        self._well.pop(subjects, None)
        self._well[subjects] = self._clock.monotonic()
        if len(self._well) > 2:
            del self._well[next(iter(self._well))]
        was_probe = self.state == HALF_OPEN
        self._machine.state.on_success()
        if not was_probe and self._room is not None:
            self._ramp_up()

    def _ramp_up(self) -> None:
        """Count a success while ramping up: each full round doubles the concurrency."""
        self._left -= 1
        if self._left == 0 and self._room is not None:
            self._room = self._left = self._room * 2
            if self._room > _RAMP_LAST:
                self._room = None

    def _changed(self, state: int) -> None:
        """aiobreaker changed its state: calls in flight belong to the previous generation."""
        self._generation += 1
        self._probing = False
        self._inside = 0
        self._room = None
        if state == OPEN:
            after = self._cause.after if self._cause else None
            self._machine.until = self._clock.monotonic() + max(self._open_seconds, after or 0.0)
        elif state == CLOSED:
            self._window.clear()
            self._room = self._left = _RAMP_FIRST
        if self._on_change is not None:
            self._on_change(state, self._cause)
