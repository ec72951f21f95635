"""Any calls, in any order, ending late or not at all, against a breaker: what always holds."""

from __future__ import annotations

from contextlib import suppress

import hypothesis.strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, precondition, rule

from shared.errors import OutcomeUnknown, Rejected, TargetDown
from shared.resilience.breaker import CLOSED, HALF_OPEN, OPEN, Breaker
from tests.support.clock import FakeClock

ENDS = st.sampled_from([None, TargetDown("down"), OutcomeUnknown("lost"), Rejected("no"), ValueError("bug")])
_MOST, _WINDOW, _OPEN = 3, 30.0, 5.0


class Calls(RuleBasedStateMachine):
    under_way = Bundle("under_way")

    @initialize()
    def start(self) -> None:
        self.clock = FakeClock()
        self.told: list[int] = []
        self.breaker = Breaker(
            "demo/heartland", failures=_MOST, window_seconds=_WINDOW, open_seconds=_OPEN, clock=self.clock,
            on_change=lambda state, error: self.told.append(state),
        )  # fmt: skip
        self.opened_at = 0.0
        self.probes = 0
        self.refusals: list[TargetDown] = []

    @rule(seconds=st.sampled_from([0.1, 1.0, 5.0, 31.0]))
    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(target=under_way)
    def begin(self) -> object:
        before, now = self.breaker.state, self.clock.monotonic()
        try:
            generation = self.breaker.begin()
        except TargetDown as refusal:
            self.refusals.append(refusal)
            return (-1, before)
        assert before != OPEN or now >= self.opened_at + _OPEN
        if self.breaker.state == HALF_OPEN:
            assert self.probes == 0, "two probes at a time"
            self.probes = 1
        return (generation, self.breaker.state)

    @rule(call=consumes(under_way), error=ENDS, cancelled=st.booleans())
    def end(self, call: tuple[int, int], error: Exception | None, cancelled: bool) -> None:
        generation, _ = call
        if generation < 0:
            return
        before, late = self.breaker.state, generation != self.breaker.generation
        told = len(self.told)
        self.breaker.end(generation, KeyboardInterrupt() if cancelled else error)
        changed = len(self.told) > told
        if late:
            assert not changed, "what is old changed the state"
            return
        if before == HALF_OPEN:
            self.probes = 0
        failed = isinstance(error, TargetDown) and not cancelled
        if changed and self.breaker.state == OPEN:
            assert failed, "only the target's own failure opens it"
            self.opened_at = self.clock.monotonic()
        if before == HALF_OPEN and not cancelled:
            assert self.breaker.state == (OPEN if failed else CLOSED)

    @precondition(lambda self: self.breaker.state == OPEN)
    @rule()
    def nothing_goes_out_before_its_time(self) -> None:
        if self.clock.monotonic() < self.opened_at + _OPEN:
            try:
                self.breaker.begin()
            except TargetDown:
                return
            raise AssertionError("a call went out while it was open")

    @invariant()
    def told_what_it_is(self) -> None:
        assert (self.told or [CLOSED])[-1] == self.breaker.state
        pairs = set(zip([CLOSED, *self.told], self.told, strict=False))
        assert pairs <= {(CLOSED, OPEN), (OPEN, HALF_OPEN), (HALF_OPEN, OPEN), (HALF_OPEN, CLOSED)}

    @invariant()
    def says_when_to_come_back(self) -> None:
        assert all(refusal.target == "heartland" and (refusal.after or 0) > 0 for refusal in self.refusals)

    def teardown(self) -> None:
        """It never stays shut: once the target is well again, everything passes after a while."""
        if not hasattr(self, "breaker"):
            return
        if self.breaker.state == HALF_OPEN and self.probes:
            self.breaker.end(self.breaker.generation, None)
        self.clock.advance(_OPEN)
        for _ in range(100):
            # Calls that never ended may hold all the room there is while it comes back.
            with suppress(TargetDown):
                self.breaker.end(self.breaker.begin(), None)
        assert self.breaker.state == CLOSED


TestCalls = Calls.TestCase
