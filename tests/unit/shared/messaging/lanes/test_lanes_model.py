"""Lanes under anything that may happen: records, duplicates, failures, parking, rebalances, stragglers."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shared.messaging.lanes.lane import Kind, LaneKey, Work
from shared.messaging.lanes.lanes import Lanes
from shared.messaging.record import Record
from tests.support.messaging import a_record

KEYS = ("a", "b", "c")
PLACES = (("orders", 0), ("orders", 1))
CONCURRENCY = 2


class Consumption(RuleBasedStateMachine):
    """A log per partition, a group's committed offsets and a table of parked keys, around one `Lanes`."""

    collapse = False

    def __init__(self) -> None:
        super().__init__()
        self.lanes = Lanes({"orders": self.collapse}, concurrency=CONCURRENCY, max_records=5, max_bytes=10**9)
        # What survives a crash.
        self.log: dict[tuple[str, int], list[str]] = {place: [] for place in PLACES}
        self.committed = dict.fromkeys(PLACES, 0)
        self.parked: dict[LaneKey, list[int]] = {}
        self.durable: dict[tuple[str, int], set[int]] = defaultdict(set)
        # What does not.
        self.fetched = dict.fromkeys(PLACES, 0)
        self.out: list[Work] = []
        self.resting: list[Work] = []
        self.stragglers: list[Work] = []
        self.run_up_to: dict[LaneKey, int] = {}

    # The world.

    @rule(keys=st.lists(st.sampled_from(KEYS), min_size=1, max_size=6))
    def publish(self, keys: list[str]) -> None:
        # A key has one partition, as the partitioner would have it.
        for key in keys:
            self.log[PLACES[KEYS.index(key) % 2]].append(key)

    @initialize()
    def join(self) -> None:
        self.rebalance()

    @rule()
    def rebalance(self) -> None:
        self.stragglers += self.out
        self.lanes.revoke()
        self.lanes.assign(PLACES)
        self.out, self.resting, self.run_up_to = [], [], {}
        self.fetched = dict(self.committed)
        for key in self.parked:
            self.lanes.park(key)
        self.lanes.open()

    @rule(place=st.sampled_from(PLACES), count=st.integers(1, 4), again=st.integers(0, 2))
    def fetch(self, place: tuple[str, int], count: int, again: int) -> None:
        """Also a few records that were fetched before: a resumed partition may bring them again."""
        start = max(self.committed[place], self.fetched[place] - again)
        end = min(len(self.log[place]), self.fetched[place] + count)
        for offset in range(start, end):
            taken = self.lanes.add(self.record(place, offset))
            assert taken == (offset >= self.fetched[place])
        self.fetched[place] = max(end, self.fetched[place])

    def record(self, place: tuple[str, int], offset: int) -> Record:
        return a_record(self.log[place][offset], offset, topic=place[0], partition=place[1])

    # Work.

    @rule()
    def start(self) -> None:
        work = self.lanes.next()
        if work is None:
            return
        assert all(other.key != work.key for other in self.out), "two at once of one key"
        assert all(other.key != work.key for other in self.resting), "a key did not rest"
        self.out.append(work)
        if work.kind is Kind.RUN:
            assert work.key not in self.parked, "a parked key was overtaken"
            assert self.collapse or len(work.records) == 1
            self.check_order(work)

    def check_order(self, work: Work) -> None:
        offsets = [record.offset for record in work.records]
        assert offsets == sorted(offsets)
        assert offsets[0] > self.run_up_to.get(work.key, -1), "a key overtook itself"

    @precondition(lambda self: self.out)
    @rule(data=st.data())
    def succeed(self, data: st.DataObject) -> None:
        work = self.take_out(data)
        if work.kind is Kind.APPEND:
            self.append(work)
        elif work.kind is Kind.RETRY_PARKED:
            self.retry(work)
        for record in work.records:
            self.durable[(record.topic, record.partition)].add(record.offset)
            self.run_up_to[work.key] = record.offset
        assert self.lanes.finish(work)

    def append(self, work: Work) -> None:
        assert work.key in self.parked, "appended to a key that is not parked"
        self.parked[work.key] += [record.offset for record in work.records]

    def retry(self, work: Work) -> None:
        self.parked.pop(work.key, None)
        self.lanes.unpark(work.key)

    @precondition(lambda self: self.out)
    @rule(data=st.data())
    def rest(self, data: st.DataObject) -> None:
        work = self.take_out(data)
        assert self.lanes.rest(work)
        self.resting.append(work)

    @precondition(lambda self: self.resting)
    @rule(data=st.data())
    def wake(self, data: st.DataObject) -> None:
        work = data.draw(st.sampled_from(self.resting))
        self.resting.remove(work)
        assert self.lanes.wake(work)

    @precondition(lambda self: any(work.kind is Kind.RUN for work in self.out))
    @rule(data=st.data())
    def park(self, data: st.DataObject) -> None:
        work = data.draw(st.sampled_from([work for work in self.out if work.kind is Kind.RUN]))
        self.out.remove(work)
        self.parked[work.key] = [record.offset for record in work.records]
        for record in work.records:
            self.durable[(record.topic, record.partition)].add(record.offset)
        self.lanes.park(work.key)
        assert self.lanes.finish(work)

    @precondition(lambda self: self.parked)
    @rule(data=st.data())
    def becomes_due(self, data: st.DataObject) -> None:
        self.lanes.retry_parked(data.draw(st.sampled_from(sorted(self.parked))), "main")

    @precondition(lambda self: self.stragglers)
    @rule(data=st.data())
    def straggler_returns(self, data: st.DataObject) -> None:
        before = self.lanes.positions()
        work = data.draw(st.sampled_from(self.stragglers))
        self.stragglers.remove(work)
        assert not self.lanes.finish(work)
        assert self.lanes.positions() == before

    def take_out(self, data: st.DataObject) -> Work:
        work = data.draw(st.sampled_from(self.out))
        self.out.remove(work)
        return work

    # Commits.

    @rule()
    def commit(self) -> None:
        for place, position in self.lanes.positions().items():
            assert position >= self.committed[place], "a commit went back"
            self.committed[place] = position

    @invariant()
    def nothing_is_passed_unfinished(self) -> None:
        for place, position in self.lanes.positions().items():
            assert set(range(position)) <= self.durable[place]

    @invariant()
    def never_above_the_concurrency(self) -> None:
        assert self.lanes.running == len(self.out) <= CONCURRENCY

    @invariant()
    def bounds_count_what_is_beyond_the_watermark(self) -> None:
        positions = self.lanes.positions()
        for place in PLACES:
            assert self.lanes.is_full(place) == (self.fetched[place] - positions.get(place, self.fetched[place]) >= 5)

    def teardown(self) -> None:
        """Left alone, everything ends: nothing hangs, nothing is left behind."""
        if not self.lanes.partitions():
            return
        for place in PLACES:
            self.fetch(place, len(self.log[place]), 0)
        while self.resting:
            self.lanes.wake(self.resting.pop())
        for key in list(self.parked):
            self.lanes.retry_parked(key, "main")
        while self.out or self.lanes.is_ready:
            self.start()
            for work in tuple(self.out):
                self.finish_alone(work)
        assert self.lanes.positions() == {
            place: len(log) for place, log in self.log.items() if place in self.lanes.positions()
        }
        assert len(self.lanes) == 0
        assert not self.parked

    def finish_alone(self, work: Work) -> None:
        self.out.remove(work)
        if work.kind is Kind.APPEND:
            self.append(work)
            self.lanes.retry_parked(work.key, "main")
        elif work.kind is Kind.RETRY_PARKED:
            self.retry(work)
        self.lanes.finish(work)


class CollapsingConsumption(Consumption):
    collapse = True


TestOneAtATime = Consumption.TestCase
TestCollapsing = CollapsingConsumption.TestCase
TestOneAtATime.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
TestCollapsing.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
