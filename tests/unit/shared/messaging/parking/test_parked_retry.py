"""A parked key's turn: what is tried, what it is told, and when it is tried again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.entities.order.spec import CANONICAL_ORDER
from shared.errors import (
    IntegrationError,
    Misconfigured,
    NeedsReview,
    OutcomeUnknown,
    Rejected,
    RetryLater,
    TargetDown,
    Waiting,
)
from shared.messaging.consumer.error_policy import Policy
from shared.messaging.consumer.lane_retry import LaneSource
from shared.messaging.lanes.lane import Kind, Lane, Work
from shared.messaging.parking.parked_retry import ParkedRetry, _ParkedSource
from shared.messaging.parking.parked_rows import record_of
from shared.messaging.record import Record, Result, Route
from shared.state.parked import ParkedKey, ParkedRecord
from tests.support.messaging import NOON, an_envelope
from tests.unit.shared.messaging.consumer.test_error_handling import KEY, Harness


class Turn:
    """A key with as many parked records as wanted, and what the handler was given."""

    def __init__(self, *answers: Result | Exception, count: int = 1, collapse: bool = False, **key: Any) -> None:
        self.bench = Harness(collapse=collapse)
        self.bench.answers = list(answers)
        self.seen: list[Record] = []
        self.batches: list[list[int]] = []
        self.route = Route(CANONICAL_ORDER, self.handle, "order", collapse, "halt")
        values: dict[str, Any] = {
            "topic": "orders", "partition": 0, "key": "main|1001", "connection": "main", "entity": "order",
            "state": "waiting", "reason": "why", "error_class": "Waiting", "waits_for": None, "attempts": 0,
            "first_failed_at": NOON, "next_attempt_at": NOON, **key,
        }  # fmt: skip
        self.key = ParkedKey(**values)
        self.count = count
        self.lane = Lane(KEY, "main")

    async def handle(self, records: Any) -> Result:
        self.seen += records
        self.batches.append([record.offset for record in records])
        answer = self.bench.answers.pop(0) if self.bench.answers else Result("applied")
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def parked_retry(self) -> ParkedRetry:
        return self.bench.runner._parked_retry

    async def take(self) -> bool:
        await self.bench.assigned()
        envelope = an_envelope("1001")
        rows = [
            ParkedRecord("orders", 0, offset, "main|1001", envelope.headers(), b"{}") for offset in range(self.count)
        ]
        if rows:
            await self.bench.parked.park(self.key, rows, 1)
        return await self.parked_retry.retry(self.key, self.route, 1, self.lane)

    @property
    def stored(self) -> ParkedKey:
        return self.bench.parked.rows[KEY].key

    @property
    def waits(self) -> timedelta:
        return self.stored.next_attempt_at - NOON

    @property
    def hops(self) -> list[tuple[str, str]]:
        return [(hop.outcome, hop.detail) for hop in self.bench.producer.hops]


async def test_one_by_one_until_nothing_is_left() -> None:
    turn = Turn(count=3)

    assert await turn.take() is True

    assert turn.batches == [[0], [1], [2]]
    assert turn.bench.parked.rows == {}
    assert turn.hops == [("applied", "")] * 3


async def test_states_go_together_and_the_older_are_superseded() -> None:
    turn = Turn(count=3, collapse=True)

    assert await turn.take() is True

    assert turn.batches == [[0, 1, 2]]
    assert [outcome for outcome, _ in turn.hops] == ["superseded", "superseded", "applied"]


async def test_a_key_without_records_is_free() -> None:
    assert await Turn(count=0).take() is True


async def test_a_key_without_records_is_released_as_it_stands() -> None:
    turn = Turn(count=0)
    released: list[tuple[Any, ...]] = []

    async def release(*arguments: Any) -> bool:
        released.append(arguments)
        return False

    turn.bench.parked.release = release  # type: ignore[method-assign]

    assert await turn.take() is False
    assert released == [(turn.key, 0, 1)]


async def test_a_row_without_a_number_releases_nothing_else() -> None:
    turn = Turn()
    through: list[int] = []
    release, records = turn.bench.parked.release, turn.bench.parked.records

    async def unnumbered(topic: str, key: str) -> list[ParkedRecord]:
        return [replace(row, seq=None) for row in await records(topic, key)]

    async def noting(key: ParkedKey, seq: int, epoch: int) -> bool:
        through.append(seq)
        return await release(key, 99, epoch)

    turn.bench.parked.records, turn.bench.parked.release = unnumbered, noting  # type: ignore[method-assign]
    await turn.take()

    assert through == [0]


async def test_what_the_handler_gets_is_the_record_as_it_came() -> None:
    turn = Turn(attempts=2)

    await turn.take()

    [record] = turn.seen
    envelope = an_envelope("1001")
    assert record.envelope == envelope
    assert (record.topic, record.partition, record.offset) == ("orders", 0, 0)
    assert (record.key, list(record.headers)) == (envelope.key, envelope.headers())
    assert record.timestamp == round(NOON.timestamp() * 1000)
    assert record.attempts == 3 + 2 + 1, "those in the lane, those since, and this one"
    assert record.urgent is True


def test_a_fraction_of_a_second_is_kept_in_milliseconds() -> None:
    envelope = replace(an_envelope("1001"), time=NOON + timedelta(milliseconds=250))
    row = ParkedRecord("orders", 0, 1, "main|1001", envelope.headers(), b"{}")

    assert record_of(row, 1, urgent=False).timestamp == round(NOON.timestamp() * 1000) + 250


@pytest.mark.parametrize("works", [True, False])
async def test_an_event_that_went_through_shows_that_the_vendor_is_there(works: bool) -> None:
    turn = Turn(Result("applied" if works else "stale"))
    outages = turn.parked_retry._outages
    outages.failed("main", "heartland", 0.0)

    await turn.take()

    assert outages.down() == ([] if works else [("main", "heartland")])


async def test_what_works_ends_a_run_of_dead_letters() -> None:
    turn = Turn()
    recorded: list[bool] = []
    turn.parked_retry._error_handling._dead_letters.record_success = lambda: recorded.append(True)  # type: ignore[method-assign]

    await turn.take()

    assert recorded == [True]


@pytest.mark.parametrize(
    ("error", "attempts", "seconds"),
    [
        pytest.param(RetryLater("locked"), 0, 225, id="the second wait of the schedule"),
        pytest.param(RetryLater("locked", after=900), 0, 900, id="longer if it says so"),
        pytest.param(RetryLater("locked", after=1), 0, 225, id="never shorter"),
        pytest.param(Waiting("no item", "item:A"), 0, 225, id="what waits follows the schedule too"),
        pytest.param(Waiting("no item", "item:A"), 7, 225, id="and stays at its last wait"),
    ],
)
async def test_when_it_is_tried_again(error: Exception, attempts: int, seconds: float) -> None:
    turn = Turn(error, attempts=attempts)

    assert await turn.take() is False

    assert turn.waits == timedelta(seconds=seconds)
    assert turn.stored.attempts == attempts + 1
    assert turn.stored.error_class == type(error).__name__
    assert turn.stored.waits_for == ("item:A" if isinstance(error, Waiting) else None)
    assert turn.hops == [("retrying", error.args[0])]
    labels = {"entity": "order", "reason": "waiting" if isinstance(error, Waiting) else "retry"}
    assert turn.bench.metric("events_failed_total", **labels) == 1


async def test_the_schedule_is_jittered_down_to_half() -> None:
    turn = Turn(RetryLater("locked"))
    turn.parked_retry._random = lambda: 0.0

    await turn.take()

    assert turn.waits == timedelta(seconds=150)


async def test_what_a_vendor_says_of_a_person_is_not_stored() -> None:
    turn = Turn(RetryLater("bob@example.com is locked"))

    await turn.take()

    assert "bob@" not in turn.stored.reason


@pytest.mark.parametrize(("seconds", "state"), [(-1, "waiting"), (0, "halted")])
async def test_waiting_has_an_end(seconds: float, state: str) -> None:
    week = 7 * 24 * 3600
    turn = Turn(Waiting("no item", "item:A"), first_failed_at=NOON - timedelta(seconds=week + seconds))

    assert await turn.take() is False

    assert turn.stored.state == state


async def test_a_key_that_used_up_its_schedule_halts_and_a_person_is_asked() -> None:
    turn = Turn(RetryLater("locked"), attempts=1, count=2)

    assert await turn.take() is False

    assert (turn.stored.state, turn.stored.reason) == ("halted", "locked")
    assert len(turn.bench.producer.sent) == 1
    assert turn.bench.reviews.opened == {("main", "halted", "order", "1001"): "locked"}
    headers = dict(turn.bench.producer.sent[0][3])
    assert (headers["x-dlq-attempts"], headers["x-dlq-retriable"]) == (b"5", b"true")
    assert turn.batches == [[0]]
    assert turn.hops[-1] == ("dead_letter", "locked")


async def test_the_review_of_a_halted_key_says_how_often_it_was_tried() -> None:
    turn = Turn(RetryLater("locked"), attempts=1)
    details: list[Any] = []
    opened = turn.bench.reviews.open

    async def noting(*arguments: Any) -> None:
        details.append(arguments[-1])
        await opened(*arguments)

    turn.bench.reviews.open = noting  # type: ignore[method-assign]
    await turn.take()

    assert details == [{"attempts": 5}]


async def test_the_newest_of_several_states_is_the_dead_letter() -> None:
    turn = Turn(Rejected("never"), count=3, collapse=True)

    assert await turn.take() is True

    assert dict(turn.bench.producer.sent[0][3])["x-dlq-orig-offset"] == b"2"
    assert dict(turn.bench.producer.sent[0][3])["x-dlq-retriable"] == b"false"


async def test_what_a_person_must_decide_is_asked_for_the_newest_state() -> None:
    turn = Turn(NeedsReview("off by 1.00", kind="unbalanced", advice="Look."), count=2, collapse=True)

    assert await turn.take() is True

    assert turn.bench.reviews.opened == {("main", "unbalanced", "order", "1001"): "off by 1.00"}
    assert [outcome for outcome, _ in turn.hops] == ["superseded", "review"]
    assert turn.bench.metric("events_failed_total", entity="order", reason="review") == 1


async def test_the_next_record_begins_anew_with_its_attempts() -> None:
    turn = Turn(Result("applied"), RetryLater("locked"), attempts=1, count=2)

    assert await turn.take() is False

    assert (turn.stored.state, [record.attempts for record in turn.seen]) == ("waiting", [5, 4])
    assert turn.stored.attempts == 1


async def test_a_vendor_that_goes_away_between_two_records_leaves_the_key_due_as_it_now_stands() -> None:
    turn = Turn(Result("applied"), TargetDown("away"), attempts=1, count=2)

    assert await turn.take() is False

    assert (turn.stored.state, turn.stored.attempts, turn.waits) == ("waiting", 0, timedelta())
    assert [record.offset for record in turn.bench.parked.rows[KEY].records] == [1]


@pytest.mark.parametrize("error", [TargetDown("away"), KeyError("a bug")], ids=repr)
async def test_what_is_not_the_events_fault_is_raised_and_counts_nothing(error: Exception) -> None:
    turn = Turn(error)

    with pytest.raises(type(error)):
        await turn.take()

    assert turn.stored == turn.key
    assert turn.hops == []


async def test_only_a_halted_key_that_flows_again_is_told_of() -> None:
    turn = Turn()
    await turn.take()
    assert turn.bench.producer.alerts == []

    again = Turn()
    again.bench.reviews.opened[("main", "halted", "order", "1001")] = "locked"
    await again.take()
    assert [(alert.kind, alert.resolved) for alert in again.bench.producer.alerts] == [("key_halted", True)]
    assert again.bench.reviews.opened == {}


def failing(well_at: float | None) -> TargetDown:
    """What Shopify's answer for one record becomes, when it last answered another one well at that time."""
    error = TargetDown("HTTP 500", target="shopify", answered=True)
    error.well_at = well_at
    return error


async def test_a_vendor_that_fails_one_record_and_answers_others_well_costs_that_record_its_attempts() -> None:
    turn = Turn(failing(None), *(failing(1e9) for _ in range(3)), waits_for="target:shopify")
    with pytest.raises(TargetDown):
        await turn.take()
    for seconds in (5.0, 9.9):
        turn.bench.clock.advance(seconds)
        with pytest.raises(TargetDown):
            await turn.parked_retry.retry(turn.key, turn.route, 1, turn.lane)
    assert turn.stored.attempts == 0

    turn.bench.clock.advance(0.1)
    assert await turn.parked_retry.retry(turn.key, turn.route, 1, turn.lane) is False

    assert (turn.stored.attempts, turn.stored.waits_for, turn.stored.error_class) == (1, None, "TargetDown")
    assert turn.bench.metric("events_failed_total", entity="order", reason="retry") == 1


async def test_and_once_they_are_used_up_it_is_halted() -> None:
    turn = Turn(failing(1e9), failing(1e9), attempts=1)
    with pytest.raises(TargetDown):
        await turn.take()
    turn.bench.clock.advance(10)

    assert await turn.parked_retry.retry(turn.key, turn.route, 1, turn.lane) is False

    assert turn.stored.state == "halted"
    assert len(turn.bench.producer.sent) >= 1


@pytest.mark.parametrize("well_at", [None, 0.0], ids=["never", "only before"])
async def test_a_vendor_that_answers_nobody_well_is_waited_for(well_at: float | None) -> None:
    turn = Turn(*(failing(well_at) for _ in range(9)), waits_for="target:shopify")
    with pytest.raises(TargetDown):
        await turn.take()
    for _ in range(8):
        turn.bench.clock.advance(600)
        with pytest.raises(TargetDown):
            await turn.parked_retry.retry(turn.key, turn.route, 1, turn.lane)

    assert turn.stored.attempts == 0


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        pytest.param(RetryLater("locked"), Policy.PARK, id="try later"),
        pytest.param(OutcomeUnknown("no answer"), Policy.AGAIN, id="outcome unknown"),
        pytest.param(TargetDown("away", target="heartland"), Policy.AGAIN, id="vendor down"),
        pytest.param(TargetDown("no database"), Policy.AGAIN, id="our own database down"),
        pytest.param(Waiting("no item TEE", waits_for="item:TEE"), Policy.PARK, id="waits for something"),
        pytest.param(NeedsReview("off", kind="k", advice="a"), Policy.REVIEW, id="a person must act"),
        pytest.param(Rejected("no order"), Policy.DEAD_LETTER, id="can never work"),
        pytest.param(Misconfigured("no token"), Policy.STOP, id="must stop the service"),
    ],
)
async def test_an_error_means_the_same_from_kafka_and_from_the_parked_table(
    error: IntegrationError, verdict: Policy
) -> None:
    """Once the attempts in the lane are used up."""
    turn = Turn()
    work = Work(Kind.RUN, Lane(("orders", "main|1001"), "main", attempts=9), 1, [])
    lane_source = LaneSource(turn.bench.runner._lane_retry, work, turn.route)
    parked_source = _ParkedSource(turn.parked_retry, turn.key, Lane(("orders", "main|1001"), "main"), 1)

    assert lane_source.decide(error) == parked_source.decide(error)
    assert parked_source.decide(error).verdict is verdict
