"""Whose turn it is: live before repair before backfill, but whoever waits gets a tenth."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from shared.canonical.priority import PRIORITIES, Priority
from shared.limits.priority_queue import MAX_PASSES, PriorityQueue, Waiter

# Futures here belong to no running loop: nobody awaits them.
LOOP = asyncio.new_event_loop()


def filled(*calls: tuple[Priority, float]) -> PriorityQueue:
    queue = PriorityQueue()
    for priority, cost in calls:
        queue.add(priority, LOOP.create_future(), cost)
    return queue


def served(queue: PriorityQueue, count: int) -> list[Priority]:
    order: list[Priority] = []
    for _ in range(count):
        head = queue.head()
        assert head is not None
        queue.serve(head)
        order.append(head.priority)
    return order


def test_the_most_urgent_goes_first_and_within_a_class_the_first() -> None:
    queue = filled(("backfill", 1), ("repair", 1), ("live", 1), ("live", 2))

    heads: list[float] = []
    for _ in range(2):
        head = queue.head()
        assert head is not None
        heads.append(head.cost)
        queue.serve(head)
        assert head.turn.done()

    assert heads == [1, 2]
    assert served(queue, 2) == ["repair", "backfill"]
    assert queue.is_empty
    assert queue.head() is None


def test_after_eight_others_it_is_a_waiting_classs_turn_and_then_eight_others_again() -> None:
    queue = filled(*[("live", 1.0)] * 30, *[("backfill", 1.0)] * 3)

    assert served(queue, 27) == [*["live"] * 8, "backfill"] * 3


def test_what_counts_is_the_cost_that_went_before() -> None:
    queue = filled(*[("live", 4.0)] * 9, ("repair", 2.0), ("repair", 1.0))

    assert served(queue, 7) == [*["live"] * 4, "repair", "live", "live"]
    assert served(queue, 1) == ["repair"]


def test_of_two_that_are_due_the_one_that_waited_longer_for_its_size_goes_first() -> None:
    queue = filled(*[("live", 8.0)] * 5, ("repair", 1.0), ("backfill", 0.5))

    assert served(queue, 3) == ["live", "backfill", "repair"]


def test_a_class_is_due_by_its_wait_alone() -> None:
    queue = filled(*[("live", 1.0)] * 9, ("repair", 1.0))
    first = queue.head()
    assert first is not None
    assert queue.is_due(first) is False

    served(queue, 8)
    head = queue.head()
    assert head is not None
    assert (head.priority, queue.is_due(head)) == ("repair", True)


def test_the_wait_of_a_class_that_is_not_there_does_not_count() -> None:
    queue = filled(*[("live", 1.0)] * 20, ("repair", 1.0))
    served(queue, 9)
    queue.add("repair", LOOP.create_future())

    assert served(queue, 9) == [*["live"] * 8, "repair"]


def test_who_gave_up_has_no_turn_and_wants_nothing() -> None:
    queue = filled(("live", 3.0), ("live", 4.0), ("live", 5.0))
    head = queue.head()
    assert head is not None
    head.turn.cancel()

    assert queue.waiting("live") == 9.0
    assert (queue.waiting("repair"), queue.is_empty) == (0, False)
    following = queue.head()
    assert following is not None
    assert following.cost == 4.0
    served(queue, 2)
    assert queue.is_empty


def test_where_all_gave_up_nobody_waits() -> None:
    queue = filled(("live", 1.0), ("backfill", 1.0))
    for line in queue._waiting.values():
        for waiter in line:
            waiter.turn.cancel()

    assert queue.is_empty
    assert queue.head() is None
    assert queue._count == 0


def test_what_costs_nothing_is_served() -> None:
    assert served(filled(("repair", 0.0), ("live", 1.0)), 2) == ["live", "repair"]


@pytest.mark.parametrize("priority", PRIORITIES)
def test_a_call_costs_one_unless_said(priority: Priority) -> None:
    queue = PriorityQueue()
    queue.add(priority, LOOP.create_future())

    assert queue.waiting(priority) == 1.0


class Line(RuleBasedStateMachine):
    """Calls come, give up and are served, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = PriorityQueue()
        self.lines: dict[Priority, list[tuple[float, asyncio.Future[None]]]] = {name: [] for name in PRIORITIES}
        # What others were granted since a class had its turn or came.
        self.passed = dict.fromkeys(PRIORITIES, 0.0)

    def present(self) -> list[Priority]:
        for name in PRIORITIES:
            while self.lines[name] and self.lines[name][0][1].done():
                self.lines[name].pop(0)
        return [name for name in PRIORITIES if self.lines[name]]

    @rule(priority=st.sampled_from(PRIORITIES), cost=st.sampled_from((1.0, 2.0, 10.0)), count=st.integers(1, 6))
    def calls_come(self, priority: Priority, cost: float, count: int) -> None:
        for _ in range(count):
            turn: asyncio.Future[None] = LOOP.create_future()
            self.queue.add(priority, turn, cost)
            self.lines[priority].append((cost, turn))

    @precondition(lambda self: self.present())
    @rule(data=st.data())
    def one_gives_up(self, data: st.DataObject) -> None:
        calls = [call for name in self.present() for call in self.lines[name]]
        data.draw(st.sampled_from(calls))[1].cancel()

    @precondition(lambda self: self.present())
    @rule(count=st.integers(1, 9))
    def turns_are_given(self, count: int) -> None:
        for _ in range(count):
            head = self.queue.head()
            if head is None:
                return
            self.check(head, self.present())
            self.queue.serve(head)
            self.lines[head.priority].pop(0)

    def check(self, head: Waiter, present: list[Priority]) -> None:
        cost, turn = self.lines[head.priority][0]
        assert (head.cost, head.turn) == (cost, turn), "not the first of its class"
        due = {name: self.passed[name] / self.lines[name][0][0] for name in present}
        if self.queue.is_due(head):
            assert due[head.priority] >= MAX_PASSES
            assert due[head.priority] == max(due.values())
        else:
            assert head.priority == present[0], "a less urgent one went first"
            assert max(due.values()) < MAX_PASSES, "somebody starves"
        for name in PRIORITIES:
            self.passed[name] = self.passed[name] + cost if name in present and name != head.priority else 0.0

    @invariant()
    def it_knows_whether_anybody_waits(self) -> None:
        present = self.present()
        assert self.queue.is_empty == (not present)
        for name in PRIORITIES:
            assert self.queue.waiting(name) == sum(cost for cost, turn in self.lines[name] if not turn.done())


TestLine = Line.TestCase
TestLine.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
