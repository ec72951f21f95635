"""Lanes, watermarks, parking, replays and epochs together, in two processes, under anything that may happen.

The parts are the real ones; Kafka, the database and the handlers are a model. A rebalance may find a process asleep:
it works on with what it had, as a zombie, until it is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from shared.errors import NeedsReview, Rejected, RetryLater, TargetDown, Waiting
from shared.messaging.lanes.lane import lane_key
from shared.messaging.record import Result
from tests.support.consumer_model import CONCURRENCY, Call, Process, World

KEYS = ("a", "b", "c")
PLACES = (("orders", 0), ("orders", 1))
ITEM = "item:TEE"
ANSWERS = {
    "ok": None,
    "retry": RetryLater("locked"),
    "waiting": Waiting("no item TEE", waits_for=ITEM),
    "rejected": Rejected("never"),
    "review": NeedsReview("odd", kind="odd", advice="Look."),
    "vendor down": TargetDown("away", target="heartland"),
    "wait a moment": TargetDown("read too early"),
}
HOW = ("ok", "ok", "retry", "retry", "waiting", *ANSWERS)
ACTIONS = ("publish", "publish", "answer", "answer", "answer", "answer", "work", "time", "item", "commit", "operator",
           "trouble")  # fmt: skip
TROUBLES = ("sleep", "sleep", "told", "rebalance", "crash", "database", "letters")


class Machinery(RuleBasedStateMachine):
    collapse = False

    def __init__(self) -> None:
        super().__init__()
        self.world = World(PLACES, self.collapse)
        self.processes = [Process(self.world), Process(self.world)]

    # The world.

    @initialize()
    def join(self) -> None:
        self.rebalance([0, 1])

    @rule(data=st.data(), action=st.sampled_from(ACTIONS))
    def go_on(self, data: st.DataObject, action: str) -> None:
        """One rule for all: of several, Hypothesis leaves some out of each example, and these need each other."""
        match action:
            case "publish":
                self.publish(data.draw(st.lists(st.sampled_from(KEYS), min_size=1, max_size=4)))
                self.deliver(data.draw(st.integers(0, 2)))
                self.work()
            case "work":
                self.work()
            case "answer" if calls := self.calls():
                self.give(data.draw(st.sampled_from(calls)), data.draw(st.sampled_from(HOW)))
            case "time":
                self.time_passes(data.draw(st.sampled_from([1.0, 70.0, 400.0])))
                self.work()
            case "item":
                self.item_appears()
            case "commit":
                self.commit()
            case "operator":
                self.operator_starts_halted_keys()
            case "trouble":
                self.trouble(data.draw(st.sampled_from(TROUBLES)), data.draw(st.sampled_from([0, 1])))
        self.check_calls()

    def publish(self, keys: list[str]) -> None:
        for key in keys:
            self.world.log[PLACES[KEYS.index(key) % 2]].append(key)

    def deliver(self, again: int) -> None:
        """What is new, and a few that were delivered before."""
        for process in self.processes:
            for place in process.lanes.partitions() if process.belongs else ():
                process.fetch(place, 3, again)

    def trouble(self, kind: str, number: int) -> None:
        match kind:
            case "rebalance":
                self.rebalance([number, 1 - number])
            case "sleep":
                self.sleep_through_replacement(self.processes[number], self.processes[1 - number])
            case "crash":
                self.crash(self.processes[number], self.processes[1 - number])
            case "database":
                self.world.parked.down = not self.world.parked.down
            case "letters":
                self.world.dead_letters.down = not self.world.dead_letters.down
            case _:
                self.zombies_are_told()
        self.deliver(0)

    def rebalance(self, owners: list[int]) -> None:
        for number, process in enumerate(self.processes):
            process.revoked()
            process.assigned([place for place, owner in zip(PLACES, owners, strict=True) if owner == number])

    def sleep_through_replacement(self, sleeper: Process, heir: Process) -> None:
        """It goes on with what it had, and knows of nothing."""
        sleeper.belongs = False
        heir.revoked()
        heir.assigned(PLACES)
        heir.open()

    def zombies_are_told(self) -> None:
        for process in self.processes:
            if not process.belongs:
                process.revoked()

    def crash(self, process: Process, other: Process) -> None:
        """kill -9; the other one gets everything."""
        process.crash()
        other.revoked()
        other.assigned(PLACES)

    def time_passes(self, seconds: float) -> None:
        self.world.clock.advance(seconds)
        for process in self.processes:
            process.look()

    # The processes.

    def work(self) -> None:
        for process in self.processes:
            if process.opening:
                process.open()
            process.wake()
            for _ in range(CONCURRENCY):
                with self.fenced(process):
                    process.start()

    def give(self, call: Call, how: str) -> None:
        error = ANSWERS[how]
        last = call.records[-1]
        if error is None or how == "review":
            self.world.ends((last.topic, last.partition), last.offset)
        with self.fenced(call.process):
            if error is None:
                call.answer.set_result(Result("applied"))
            else:
                call.answer.set_exception(error)
            call.process.settle()

    def item_appears(self) -> None:
        for process in self.processes:
            if process.belongs and not self.world.parked.down:
                self.world.loop.run_until_complete(self.world.parked.wake([("main", ITEM)], self.world.clock.now()))
            process.look()

    def commit(self) -> None:
        before = dict(self.world.committed)
        for process in self.processes:
            process.commit()
        assert all(self.world.committed[place] >= before[place] for place in PLACES), "a commit went back"

    def operator_starts_halted_keys(self) -> None:
        self.world.parked.retry_all(self.world.clock.now())

    # What must hold.

    def calls(self) -> list[Call]:
        return [call for process in self.processes for call in process.calls]

    @contextmanager
    def fenced(self, process: Process) -> Iterator[None]:
        """Of partitions that another process has taken over since, it changes nothing that is parked."""
        lost = process.lost()
        before = self.world.parked_of(lost)
        yield
        assert self.world.parked_of(lost) == before, "a zombie changed what is parked"

    def check_calls(self) -> None:
        for process in self.processes:
            keys = [call.records[0].envelope.subject for call in process.calls]
            assert len(keys) == len(set(keys)), "two at once of one key"
            for call in process.calls:
                first = call.records[0]
                if (first.topic, first.partition) not in process.lost() and process.belongs and process.runs(call):
                    assert lane_key(call.records[0]) not in self.world.parked.rows, "a parked key was overtaken"
                assert self.collapse or len(call.records) == 1

    @invariant()
    def no_committed_offset_passes_what_is_not_done(self) -> None:
        for place, committed in self.world.committed.items():
            for offset in range(committed):
                assert self.is_kept(place, offset), f"{place} {offset} is lost"

    def is_kept(self, place: tuple[str, int], offset: int) -> bool:
        key = self.world.log[place][offset]
        kept = {*self.world.history.get(key, ()), *self.world.kept(key)}
        return offset in kept or (self.collapse and any(later > offset for later in kept))

    @invariant()
    def facts_end_in_order(self) -> None:
        if not self.collapse:
            for key, offsets in self.world.history.items():
                first_times = list(dict.fromkeys(offsets))
                assert first_times == sorted(first_times), f"{key} overtook itself"

    @invariant()
    def never_above_the_concurrency(self) -> None:
        assert all(process.lanes.running <= CONCURRENCY for process in self.processes)

    def teardown(self) -> None:
        """Everything heals: then every event ends, and nothing is left anywhere."""
        try:
            self.heal()
        finally:
            for process in self.processes:
                process.crash()
            self.world.loop.close()

    def heal(self) -> None:
        self.world.parked.down = self.world.dead_letters.down = False
        self.rebalance([0, 0])
        process = self.processes[0]
        process.open()
        for place, log in self.world.log.items():
            process.fetch(place, len(log))
        for _ in range(4):
            self.operator_starts_halted_keys()
            self.time_passes(1_000.0)
            self.work_off(process)
        process.commit()
        assert self.world.committed == {place: len(log) for place, log in self.world.log.items()}
        assert self.world.parked.rows == {}
        assert len(process.lanes) == 0
        for place, log in self.world.log.items():
            assert all(self.is_kept(place, offset) for offset in range(len(log)))

    def work_off(self, process: Process) -> None:
        for _ in range(1_000):
            if not (process.lanes.is_ready or process.calls or process.resting):
                return
            process.wake()
            process.start()
            for call in tuple(process.calls):
                self.give(call, "ok")
        raise AssertionError("it goes round and round")


class CollapsingMachinery(Machinery):
    collapse = True


TestFacts = Machinery.TestCase
TestStates = CollapsingMachinery.TestCase
TestFacts.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)
TestStates.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)
