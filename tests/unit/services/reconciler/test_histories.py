"""Histories of one order, simulated: what is only on its way is never repaired, and what is lost always is.

Shopify changes the order now and then. Each change sends a webhook, which arrives after a while and is written after
another; each is followed by our books. The reconciler looks every minute, as its service does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from hypothesis import event, given, settings
from hypothesis import strategies as st

from shared.entities.order.compare.snapshot import HeartlandOrderState, OrderSnapshot, StoredOrderState
from shared.entities.order.compare.stored_state import is_in_flight
from shared.entities.order.record import Order
from shared.operations.comparison.decide import Caps, decide
from shared.operations.comparison.subjects import subject_of
from shared.sync.comparison import changed_at, is_settled
from tests.support.messaging import NOON
from tests.support.orders import a_tender, an_order
from tests.unit.shared.operations.comparison.ledger import MemoryLedger

SUBJECT = subject_of("order")

SETTLING, APART, IN_FLIGHT = timedelta(seconds=120), timedelta(seconds=30), timedelta(hours=1)
LOOK = 60
CAPS = Caps(100, Decimal(20_000))
ORDER = an_order()


@dataclass(frozen=True)
class Change:
    """After so many seconds; its webhook takes `late` to arrive and the road takes `slow` to write it."""

    after: int
    late: int
    slow: int
    lost: bool = False


@dataclass
class Shop:
    """What Shopify has, what Heartland has (a number of changes each), and what is on its way."""

    now: datetime = NOON
    here: int = 0
    changed_at: datetime = NOON
    there: int = 0
    arriving: list[datetime] = field(default_factory=list)
    ending: list[datetime] = field(default_factory=list)
    received: datetime | None = None
    ended: datetime | None = None
    slow: int = 0
    repairs: int = 0
    ledger: MemoryLedger = field(default_factory=MemoryLedger)

    def change(self, change: Change) -> None:
        self.here += 1
        self.changed_at = self.now
        self.slow = change.slow
        if not change.lost:
            self.arriving.append(self.now + timedelta(seconds=change.late))

    def move(self, seconds: int) -> None:
        """One second at a time: what is due arrives, and what arrived is written as it then stands."""
        for _ in range(seconds):
            self.now += timedelta(seconds=1)
            for at in [at for at in self.arriving if at <= self.now]:
                self.arriving.remove(at)
                self.received = self.now
                self.ending.append(self.now + timedelta(seconds=self.slow))
            if [at for at in self.ending if at <= self.now]:
                # One key is worked on once at a time, and newer notices join those that wait.
                self.ending = [at for at in self.ending if at > self.now]
                self.there = self.here
                if not self.ending:
                    self.ended = self.now
            if int((self.now - NOON).total_seconds()) % LOOK == 0:
                self.look()

    def look(self) -> None:
        snapshot = self.snapshot()
        if self.here == 0 or snapshot.stored.in_progress or not is_settled(snapshot, self.now, SETTLING):
            return
        rows = [
            self.ledger.saw(finding, self.now, changed_at(snapshot), snapshot.content_hash)
            for finding in SUBJECT.findings(snapshot, SUBJECT.names())
        ]
        self.ledger.over(SUBJECT.names(), [snapshot.order.id], [(row.entity, row.key, row.kind) for row in rows])
        repaired = decide(rows, self.now, APART, CAPS).repair
        for row in repaired:
            self.ledger.repairing(row)
        if repaired:
            self.repairs += 1
            self.arriving.append(self.now)

    def snapshot(self) -> OrderSnapshot:
        order = _at(self.here).model_copy(update={"updated_at": self.changed_at})
        there = (
            HeartlandOrderState("100001", "open", _at(self.there).total, _at(self.there).paid) if self.there else None
        )
        in_progress = "an event is in flight" if is_in_flight(self.received, self.ended, self.now, IN_FLIGHT) else ""
        return OrderSnapshot(
            "main", order, str(self.here), 0, there, StoredOrderState(None, str(self.there), in_progress=in_progress)
        )


def _at(changes: int) -> Order:
    """Each change brings one more dollar, and pays it."""
    total = ORDER.total + changes
    return ORDER.model_copy(update={"total": total, "tenders": (a_tender(str(total)),)})


def a_history(*, may_be_lost: bool) -> st.SearchStrategy[list[Change]]:
    change = st.builds(
        Change,
        after=st.integers(1, 900),
        # Within the settling time and the look that must follow it.
        late=st.integers(0, 170),
        slow=st.integers(0, 1200),
        lost=st.booleans() if may_be_lost else st.just(False),
    )
    return st.lists(change, min_size=1, max_size=6)


def run(history: list[Change]) -> Shop:
    shop = Shop()
    for change in history:
        shop.move(change.after)
        shop.change(change)
    return shop


@settings(max_examples=60, deadline=None)
@given(a_history(may_be_lost=False))
def test_where_nothing_is_lost_nothing_is_repaired(history: list[Change]) -> None:
    shop = run(history)
    shop.move(3600)

    assert (shop.repairs, shop.there) == (0, shop.here)


def test_two_changes_that_are_late_one_after_the_other_are_not_taken_for_one_that_is_lost() -> None:
    shop = run([Change(1, 0, 0), Change(509, 151, 0), Change(161, 170, 0)])
    shop.move(3600)

    assert (shop.repairs, shop.there) == (0, 3)


@settings(max_examples=60, deadline=None)
@given(a_history(may_be_lost=True), st.integers(0, 90))
def test_whatever_is_lost_is_there_in_the_end(history: list[Change], late: int) -> None:
    lost = [change.lost for change in history]
    shop = run([*history, Change(300, late, 0, lost=True)])
    event(f"{sum(lost)} lost before")
    shop.move(3600)

    assert shop.there == shop.here
    assert {row.state for row in shop.ledger.rows.values()} <= {"repaired", "gone"}


def test_what_is_lost_again_and_again_is_made_good_each_time() -> None:
    """No look sees a repair come to its end before the next change is lost: none of them has failed."""
    shop = run([Change(1, 0, 0)] + [Change(235, 0, 0, lost=True)] * 8)
    shop.move(3600)

    assert shop.there == shop.here
    assert {row.state for row in shop.ledger.rows.values()} <= {"repaired", "gone"}


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 600))
def test_a_lost_webhook_is_made_good_within_a_quarter_of_an_hour(after: int) -> None:
    shop = Shop()
    shop.move(after)
    shop.change(Change(0, 0, 1))
    shop.move(600)
    shop.change(Change(0, 0, 5, lost=True))
    shop.move(15 * 60 - 300)  # a sweep may come as late as 300 s after the change

    assert (shop.there, shop.repairs) == (2, 1)
