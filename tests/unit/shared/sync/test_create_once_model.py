"""Whatever happens to a create, in whichever of two processes, the vendor makes it once, and in the end it is made.

Both kinds of use: a create that is sent again as it was, and one that is settled first, given back where it was not
made, and claimed anew.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from datetime import timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from shared.errors import OutcomeUnknown, Rejected, RetryLater, TargetDown
from shared.limits.call_context import PreSendCheck
from shared.state.ledger import Effect
from shared.sync.create_once import Created, CreateOnce, ReadLag, created_id
from shared.sync.unit_of_work import UnitOfWork
from tests.support.clock import FakeClock
from tests.support.memory_ledger import MemoryLedger
from tests.support.memory_state import MemoryAtomicWriter, Points, Stored

PAY = Effect("main", "heartland", "order", "1001", "payment:1")
LAG_SECONDS = 10.0
LAG = ReadLag(LAG_SECONDS)
# A call may wait for its turn as long as it likes. Then it ends within this time, and shows in reads that much later:
# together with the age at which a claim still counts as fresh, no more than the lag.
UNDER_WAY_SECONDS = 4.0
LATE_SECONDS = 4.0
FATES = ("made", "made, without an id", "made, no answer", "not made, no answer", "refused", "down")


class _Pause:
    """An await at which the process may be killed."""

    def __await__(self) -> Generator[None, None, None]:
        yield


async def at(name: str, do: Callable[[], Any]) -> Any:
    """PreSendCheck a call has its effect, and before its caller learns of it."""
    await _Pause()
    result = do()
    await _Pause()
    return result


class PausingPoints(Points):
    async def at(self, name: str, do: Callable[[], Any]) -> Any:
        return await at(name, do)


class Process:
    """One of two writers. `delivery` is the event it works on, `flying` a call that Heartland may yet carry out.

    `left` is how long the call has from its turn on; None while it has not got it.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        ledger: Any = MemoryLedger(world.clock, world.stored, at)
        self.once = CreateOnce(ledger, world.clock)
        self._ledger, self._writer = ledger, MemoryAtomicWriter(world.stored, ledger, PausingPoints())
        self.delivery: Coroutine[Any, Any, Any] | None = None
        self.flying = False
        self.fate = "made"
        self.left: float | None = None

    def take(self) -> None:
        self.delivery = self.settled_first() if self._world.settles else self.created()
        self.left = None

    async def created(self) -> Created:
        """As orders are: sent again as it was."""
        return await self.once(PAY, self.send, self.find, LAG)

    async def settled_first(self) -> Created:
        """As shipments are: what is in doubt is settled, then all that is left is claimed and sent."""
        writer: Any = self._writer
        work = UnitOfWork(("main", "order", "1001"), writer)
        known = (await self._ledger.of_key("main", "order", "1001")).get(PAY.operation)
        if known is not None and known.state == "in_doubt":
            await self.once.settle(PAY, known, self.find, LAG, work)
            known = (await self._ledger.of_key("main", "order", "1001")).get(PAY.operation)
        if known is not None and known.state == "done":
            return Created(created_id(known), True, known.sent_at)
        await work.claim({PAY: {"version": "1"}})
        if work.held[PAY].state != "new":
            raise TargetDown("it is being made by another process")
        made = await self.once(PAY, self.send, self.find, LAG, work=work, intent={"version": "1"})
        await work.store()
        return made

    def step(self) -> Any:
        """To the next await. What was made, once that is known."""
        assert self.delivery is not None
        try:
            self.delivery.send(None)
        except StopIteration as end:
            self.delivery = None
            return end.value
        except (RetryLater, Rejected):
            self.delivery = None
        return None

    def die(self) -> None:
        if self.delivery is not None:
            self.delivery.close()

    async def send(self, turn: PreSendCheck) -> str | None:
        await _Pause()
        self.left = UNDER_WAY_SECONDS
        try:
            await turn()
            self.flying = True
            await _Pause()
        finally:
            self.flying, self.left = False, None
        match self.fate:
            case "refused":
                raise Rejected("no such order")
            case "down":
                raise TargetDown("Heartland cannot be reached")
            case "not made, no answer":
                raise OutcomeUnknown("the connection broke")
            case fate:
                made = self._world.make()
        if fate == "made, no answer":
            raise OutcomeUnknown("the connection broke")
        await _Pause()
        return made if fate == "made" else None

    async def find(self) -> str | None:
        return await at("find", self._world.shown)


class World(RuleBasedStateMachine):
    """`settles`: which kind of use."""

    settles = False

    def __init__(self) -> None:
        super().__init__()
        self.clock, self.stored = FakeClock(), Stored()
        self.made: list[Any] = []
        self.late = 0.0
        self.processes = [Process(self), Process(self)]

    def make(self) -> str:
        self.made.append(self.clock.now() + timedelta(seconds=self.late))
        return str(len(self.made))

    def shown(self) -> str | None:
        """What a read shows by now."""
        return next((str(number) for number, at in enumerate(self.made, start=1) if at <= self.clock.now()), None)

    @rule(which=st.sampled_from((0, 1)), steps=st.integers(1, 8), fate=st.sampled_from(FATES))
    def work(self, which: int, steps: int, fate: str) -> None:
        process = self.processes[which]
        process.fate = fate
        if process.delivery is None:
            process.take()
        while process.delivery is not None and steps:
            told = process.step()
            assert told is None or told.id == "1"
            steps -= 1

    @rule(which=st.sampled_from((0, 1)), arrives=st.booleans())
    def kill(self, which: int, arrives: bool) -> None:
        """A call under way may have arrived all the same."""
        process = self.processes[which]
        if process.flying and arrives:
            self.make()
        process.die()
        self.processes[which] = Process(self)

    @rule(seconds=st.sampled_from((0.5, 2.0, 2.5, 4.0, 9.5, 10.0, 60.0)))
    def time_passes(self, seconds: float) -> None:
        seconds = min([seconds, *(one.left for one in self.processes if one.left is not None)])
        self.clock.advance(seconds)
        for process in self.processes:
            if process.left is not None:
                process.left -= seconds

    @precondition(lambda self: not self.made)
    @rule(late=st.floats(0, LATE_SECONDS))
    def reads_lag(self, late: float) -> None:
        self.late = late

    @invariant()
    def it_is_made_once_at_most(self) -> None:
        assert len(self.made) <= 1

    @invariant()
    def what_is_noted_as_done_was_made(self) -> None:
        claim = self.stored.effects.get(PAY.id)
        if claim is not None and claim.state == "done":
            assert claim.result is not None
            assert (claim.result["id"], len(self.made)) == ("1", 1)

    def teardown(self) -> None:
        """Left alone, it ends, and soon."""
        for process in self.processes:
            process.die()
        process = Process(self)
        for _ in range(4):
            process.take()
            while process.delivery is not None:
                if (told := process.step()) is not None:
                    assert (told.id, len(self.made)) == ("1", 1)
                    assert self.stored.effects[PAY.id].state == "done"
                    return
            self.clock.advance(LAG_SECONDS + 1)
        raise AssertionError("it never ends")


class SettlingWorld(World):
    settles = True


TestOnce = World.TestCase
TestOnce.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
TestSettledFirst = SettlingWorld.TestCase
TestSettledFirst.settings = TestOnce.settings
