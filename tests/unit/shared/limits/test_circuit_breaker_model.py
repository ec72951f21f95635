"""A breaker under anything that may happen to calls: begun, ended well or ill, given up, in any order."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from shared.errors import Rejected, TargetDown
from shared.limits.circuit_breaker import CLOSED, HALF_OPEN, OPEN, Breaker
from tests.support.clock import FakeClock

FAILURES, WINDOW, REST = 2, 30.0, 10.0


class Calls(RuleBasedStateMachine):
    """`under_way` are calls that were let through, each with the number of the state it began in."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.told: list[int] = []
        self.breaker = Breaker(
            "main/heartland",
            failures=FAILURES,
            window_seconds=WINDOW,
            open_seconds=REST,
            clock=self.clock,
            on_change=lambda state, error: self.told.append(state),
        )
        self.under_way: list[tuple[int, int]] = []
        self.latest: list[tuple[float, bool]] = []
        self.until = 0.0
        # While it comes back: calls at a time, and how many more must go well before that doubles.
        self.room: int | None = None
        self.left = 0

    @property
    def inside(self) -> int:
        """Calls under way that began in this state."""
        return sum(changes == len(self.told) for _, changes in self.under_way)

    @property
    def state(self) -> int:
        return self.told[-1] if self.told else CLOSED

    @rule(seconds=st.sampled_from((0.5, 4.0, 9.0, 10.0, 31.0)))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(count=st.integers(1, 5))
    def calls_come(self, count: int) -> None:
        for _ in range(count):
            self.begin()

    @precondition(lambda self: self.state == OPEN)
    @rule()
    def its_rest_ends_and_the_target_is_back(self) -> None:
        self.clock.advance(max(0.0, self.until - self.clock.monotonic()))
        self.begin()
        self.answered(self.under_way.pop(), None)

    def begin(self) -> None:
        wait = self.expected_wait()
        if wait is None:
            self.breaker.check()
            self.under_way.append((self.breaker.begin(), len(self.told)))
            return
        for refusing in (self.breaker.check, self.breaker.begin):
            with pytest.raises(TargetDown) as refused:
                refusing()
            assert refused.value.after == wait

    def expected_wait(self) -> float | None:
        """None where a call has to be let through."""
        if self.state == OPEN:
            left = self.until - self.clock.monotonic()
            return left if left > 0 else None
        if self.state == HALF_OPEN:
            return 0.5 if self.inside else None
        return 0.1 if self.room is not None and self.inside >= self.room else None

    def a_call(self, data: st.DataObject) -> tuple[int, int]:
        call: tuple[int, int] = data.draw(st.sampled_from(self.under_way))
        self.under_way.remove(call)
        return call

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), after=st.sampled_from((None, 5.0, 60.0)))
    def one_fails(self, data: st.DataObject, after: float | None) -> None:
        now = self.clock.monotonic()
        state, is_late = self.end(self.a_call(data), TargetDown("refused", after))
        if is_late:
            return
        self.latest = [*self.latest, (now, True)][-2 * FAILURES :]
        enough = sum(bad and at >= now - WINDOW for at, bad in self.latest) >= FAILURES
        assert self.state == (OPEN if enough or state == HALF_OPEN else CLOSED)
        if self.state == OPEN:
            self.until, self.room = now + max(REST, after or 0.0), None

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), count=st.integers(1, 9), error=st.sampled_from((None, Rejected("no such item"))))
    def some_are_answered(self, data: st.DataObject, count: int, error: Exception | None) -> None:
        for _ in range(min(count, len(self.under_way))):
            self.answered(self.a_call(data), error)

    def answered(self, call: tuple[int, int], error: Exception | None) -> None:
        state, is_late = self.end(call, error)
        if is_late:
            return
        self.latest = [] if state == HALF_OPEN else [*self.latest, (self.clock.monotonic(), False)][-2 * FAILURES :]
        assert self.state == CLOSED
        self.comes_back(state)

    def comes_back(self, before: int) -> None:
        if before == HALF_OPEN:
            self.room = self.left = 2
        elif self.room is not None:
            self.left -= 1
            if self.left == 0:
                self.room = self.left = self.room * 2
            if self.room > 16:
                self.room = None

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def one_is_given_up(self, data: st.DataObject) -> None:
        state, _ = self.end(self.a_call(data), asyncio.CancelledError())
        assert self.state == state

    def end(self, call: tuple[int, int], error: BaseException | None) -> tuple[int, bool]:
        """The state before, and whether it had changed since the call began: then nothing may come of it."""
        state, is_late = self.state, call[1] != len(self.told)
        self.breaker.end(call[0], error)
        assert not is_late or self.state == state
        return state, is_late

    @invariant()
    def it_tells_its_state(self) -> None:
        assert self.breaker.state == self.state

    @invariant()
    def one_probes_at_a_time(self) -> None:
        assert self.state != HALF_OPEN or self.inside <= 1


TestBreaker = Calls.TestCase
TestBreaker.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
