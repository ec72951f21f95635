from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from shared.entities.order.spec import CANONICAL_ORDER
from shared.errors import Fenced, Misconfigured, NeedsReview, OutcomeUnknown, Rejected, RetryLater, TargetDown, Waiting
from shared.messaging.consumer.lane_retry import Rest
from shared.messaging.consumer.reporter import Reporter
from shared.messaging.consumer.work_runner import build_work_runner
from shared.messaging.dead_letters.writer import DeadLetters
from shared.messaging.lanes.lane import Kind, LaneKey
from shared.messaging.lanes.lanes import Lanes
from shared.messaging.parking.parking import Parking
from shared.messaging.record import ConsumerOptions, Record, Result, Route, Unreadable
from shared.messaging.topics import TRACE
from shared.runtime.metrics import ServiceMetrics
from tests.support.clock import FakeClock
from tests.support.messaging import NOON, MemoryParked, MemoryReviews, SentRecords, a_record

KEY: LaneKey = ("orders", "main|1001")
WRONG = NeedsReview("off by 1.00", kind="order_unbalanced", advice="Look at it.")


class Harness:
    """One route, one consumer's parts without Kafka, and a handler that answers from a list."""

    def __init__(
        self, *, collapse: bool = False, give_up: str = "halt", topic: object = CANONICAL_ORDER, writes: bool = False
    ) -> None:
        self.answers: list[Result | Exception] = []
        self.handled: list[list[int]] = []
        self.attempts: list[int] = []
        self.clock = FakeClock(NOON, monotonic=0.0)
        self.producer = SentRecords()
        self.parked = MemoryParked(self.clock)
        self.reviews = MemoryReviews()
        self.metrics = ServiceMetrics("writer", CollectorRegistry())
        options = ConsumerOptions(park_schedule=(60.0, 300.0))
        self.lanes = Lanes({"orders": collapse}, concurrency=4, max_records=100, max_bytes=10**6)
        reporter = Reporter("writer", self.metrics, self.producer, self.clock)  # type: ignore[arg-type]
        letters = DeadLetters(self.producer, "dlq", service="writer", version="", limit=99, share=0.5)  # type: ignore[arg-type]
        self.parking = Parking(self.lanes, self.parked, reporter, options, self.clock)  # type: ignore[arg-type]
        routes = {"orders": Route(topic, self.handle, "order", collapse, give_up, writes)}  # type: ignore[arg-type]
        self.runner = build_work_runner(
            routes,
            self.parking,
            self.parked,
            self.reviews,
            letters,
            reporter,
            options,
            self.clock,
            lambda: 0.5,  # type: ignore[arg-type]
        )
        self.offset = 0

    async def assigned(self) -> Harness:
        """A partition is ours from here on; anybody who had it before is fenced off."""
        self.parking.forget()
        self.lanes.assign([("orders", 0)])
        for key in await self.parking.load([("orders", 0)]):
            self.lanes.park(key)
        self.lanes.open()
        return self

    async def handle(self, records: Sequence[Record]) -> Result:
        self.handled.append([record.offset for record in records])
        self.attempts.append(records[-1].attempts)
        answer = self.answers.pop(0) if self.answers else Result("applied")
        if isinstance(answer, Exception):
            raise answer
        return answer

    def arrive(self, count: int = 1, subject: str = "1001") -> None:
        for _ in range(count):
            self.lanes.add(a_record(subject, self.offset))
            self.offset += 1

    async def step(self) -> Rest | None:
        """The next piece of work; what rests is awake again at once."""
        work = self.lanes.next()
        assert work is not None
        rest = await self.runner.run(work)
        if rest is None:
            self.lanes.finish(work)
        else:
            self.lanes.rest(work)
            self.lanes.wake(work)
        return rest

    async def due(self, seconds: float) -> None:
        """Let time pass and give due keys their turn."""
        self.clock.advance(seconds)
        for key in await self.parked.due(self.clock.now(), "orders", [0], 9):
            self.parking.due[(key.topic, key.key)] = key
            self.lanes.retry_parked((key.topic, key.key), key.connection)
        while self.lanes.is_ready:
            await self.step()

    async def park(self, error: Exception | None = None) -> None:
        self.answers.append(error or Waiting("no item TEE", waits_for="item:TEE"))
        self.arrive()
        assert await self.step() is None

    @property
    def position(self) -> int | None:
        return self.lanes.positions().get(("orders", 0))

    @property
    def outcomes(self) -> list[str]:
        return [outcome for _, outcome in self.producer.story()]

    def metric(self, name: str, **labels: str) -> float:
        value = self.metrics.registry.get_sample_value(f"tillbridge_{name}", labels)
        return value or 0.0


async def test_what_works_is_finished_told_and_timed() -> None:
    harness = await Harness().assigned()
    harness.arrive()
    harness.clock.advance(2)
    assert await harness.step() is None

    assert harness.position == 1
    hop = harness.producer.hops[0]
    assert (hop.outcome, hop.key, hop.attempts, hop.source_time) == ("applied", "1001", 1, NOON)
    assert hop.trace_id == "a" * 32
    assert harness.metric("latency_seconds_sum", entity="order") == 2.0
    assert harness.metric("outcomes_total", entity="order", outcome="applied") == 1


async def test_collapsed_records_are_superseded_by_the_last() -> None:
    harness = await Harness(collapse=True).assigned()
    harness.arrive(3)
    await harness.step()

    assert harness.handled == [[0, 1, 2]]
    assert harness.outcomes == ["superseded", "superseded", "applied"]
    assert harness.position == 3


@pytest.mark.parametrize("error", [TargetDown("away"), OutcomeUnknown("no answer")])
async def test_an_outage_is_tried_again_for_ever_and_counts_nothing(error: Exception) -> None:
    harness = await Harness().assigned()
    harness.arrive()
    harness.answers = [error] * 50
    rests = [await harness.step() for _ in range(50)]

    assert harness.position == 0
    assert harness.parked.rows == {}
    assert harness.outcomes == ["retrying"]
    seconds = [rest.seconds for rest in rests if rest]
    assert seconds == sorted(seconds)
    assert seconds[-1] == 15.0  # half of the cap: the dice here always show a half
    await harness.step()
    assert (harness.position, harness.attempts[-1], harness.outcomes[-1]) == (1, 1, "applied")


async def test_a_target_that_says_when_is_not_asked_before() -> None:
    harness = await Harness().assigned()
    harness.arrive()
    harness.answers = [TargetDown("busy", after=40.0)]

    assert await harness.step() == Rest(40.0)


async def test_an_event_of_its_own_trouble_gets_three_tries_and_is_parked() -> None:
    harness = await Harness().assigned()
    harness.arrive(2)
    harness.answers = [RetryLater("locked")] * 3
    assert await harness.step() is not None
    assert await harness.step() is not None
    assert await harness.step() is None

    assert harness.attempts == [1, 2, 3]
    key = harness.parked.rows[KEY].key
    assert (key.reason, key.error_class, key.attempts, key.state) == ("locked", "RetryLater", 0, "waiting")
    assert key.next_attempt_at == NOON + timedelta(seconds=45)
    assert harness.position == 1
    await harness.step()
    assert [record.offset for record in harness.parked.rows[KEY].records] == [0, 1]
    assert harness.handled == [[0], [0], [0]]
    assert harness.position == 2
    assert harness.outcomes == ["retrying", "parked", "parked"]


async def test_a_parked_key_works_again_in_order() -> None:
    harness = await Harness().assigned()
    await harness.park()
    harness.arrive(2)
    await harness.step()
    await harness.due(60)
    harness.arrive()
    await harness.step()

    assert harness.handled == [[0], [0], [1], [2], [3]]
    assert harness.parked.rows == {}
    assert harness.position == 4


async def test_a_record_that_arrives_during_the_replay_waits_for_its_end() -> None:
    harness = await Harness().assigned()
    await harness.park()
    harness.clock.advance(60)
    key = (await harness.parked.due(harness.clock.now(), "orders", [0], 9))[0]
    harness.parking.due[KEY] = key
    harness.lanes.retry_parked(KEY, "main")
    work = harness.lanes.next()
    assert work is not None
    assert work.kind is Kind.RETRY_PARKED
    harness.arrive()
    assert harness.lanes.next() is None

    await harness.runner.run(work)
    harness.lanes.finish(work)
    await harness.step()
    assert harness.handled == [[0], [0], [1]]


async def test_a_key_that_somebody_else_released_runs_its_records() -> None:
    harness = await Harness().assigned()
    await harness.park()
    harness.parked.rows.clear()
    harness.arrive()
    assert await harness.step() == Rest(0.0)
    await harness.step()

    assert harness.handled == [[0], [1]]
    assert harness.position == 2


async def test_collapsing_keys_keep_only_the_newest_parked_record() -> None:
    harness = await Harness(collapse=True).assigned()
    await harness.park()
    harness.arrive(3)
    await harness.step()
    assert [record.offset for record in harness.parked.rows[KEY].records] == [3]
    assert harness.outcomes == ["parked", "superseded", "superseded", "parked", "superseded"]

    await harness.due(60)
    assert harness.handled == [[0], [3]]


async def test_after_its_schedule_a_key_halts_with_a_dead_letter_and_a_review() -> None:
    harness = await Harness().assigned()
    await harness.park(Waiting("no item", waits_for="item:TEE"))
    harness.answers = [RetryLater("locked")] * 3
    await harness.due(60)
    assert harness.parked.rows[KEY].key.attempts == 1
    await harness.due(300)

    row = harness.parked.rows[KEY]
    assert row.key.state == "halted"
    assert len(row.records) == 1
    assert dict(harness.producer.sent[0][3])["x-dlq-attempts"] == b"5"
    assert dict(harness.producer.sent[0][3])["x-dlq-retriable"] == b"true"
    assert ("main", "halted", "order", "1001") in harness.reviews.opened
    assert harness.metric("dead_letters_total", entity="order") == 1
    harness.arrive()
    await harness.step()
    assert len(row.records) == 2
    assert harness.position == 2


async def test_the_next_record_of_a_key_has_all_of_its_schedule() -> None:
    harness = await Harness().assigned()
    await harness.park()
    harness.arrive()
    await harness.step()
    harness.answers = [RetryLater("locked")]
    await harness.due(60)
    harness.answers = [Result("applied"), RetryLater("another trouble")]
    await harness.due(300)
    key = harness.parked.rows[KEY].key
    assert (key.state, key.attempts, key.first_failed_at) == ("waiting", 1, harness.clock.now())

    harness.answers = [RetryLater("another trouble")]
    await harness.due(300)
    assert harness.parked.rows[KEY].key.state == "halted"
    assert dict(harness.producer.sent[0][3])["x-dlq-attempts"] == b"5"


async def test_a_skipping_route_lets_the_next_record_pass() -> None:
    harness = await Harness(give_up="skip").assigned()
    await harness.park()
    harness.arrive()
    await harness.step()
    harness.answers = [RetryLater("locked")] * 2
    await harness.due(60)
    await harness.due(300)

    assert harness.handled == [[0], [0], [0], [1]]
    assert harness.parked.rows == {}
    assert len(harness.producer.sent) == 1


async def test_waiting_does_not_use_up_the_schedule() -> None:
    harness = await Harness().assigned()
    await harness.park()
    harness.answers = [Waiting("no item TEE", waits_for="item:TEE") for _ in range(20)]
    for _ in range(20):
        await harness.due(300)
    assert harness.parked.rows[KEY].key.state == "waiting"
    assert harness.producer.sent == []

    await harness.due(300)
    assert harness.parked.rows == {}


async def test_waiting_ends_after_its_time() -> None:
    harness = await Harness().assigned()
    await harness.park()
    harness.answers = [Waiting("no item TEE", waits_for="item:TEE")]
    await harness.due(7 * 24 * 3600)

    assert harness.parked.rows[KEY].key.state == "halted"
    assert len(harness.producer.sent) == 1


async def test_an_outage_during_a_replay_counts_nothing() -> None:
    harness = await Harness().assigned()
    await harness.park()
    harness.clock.advance(60)
    harness.answers = [TargetDown("away")] * 5
    await harness.due(0)

    assert harness.parked.rows == {}
    assert harness.handled == [[0]] * 7


@pytest.mark.parametrize(
    ("error", "outcome", "letters"),
    [(WRONG, "review", 0), (Rejected("never"), "dead_letter", 1)],
    ids=["a person decides", "never works"],
)
async def test_a_replayed_record_can_end_otherwise(error: Exception, outcome: str, letters: int) -> None:
    harness = await Harness().assigned()
    await harness.park()
    harness.answers = [error]
    await harness.due(60)

    assert harness.parked.rows == {}
    assert harness.outcomes[-1] == outcome
    assert len(harness.producer.sent) == letters


async def test_what_a_person_must_decide_is_a_review_and_done() -> None:
    harness = await Harness().assigned()
    harness.arrive()
    harness.answers = [WRONG]
    assert await harness.step() is None

    assert harness.reviews.opened == {("main", "order_unbalanced", "order", "1001"): "off by 1.00"}
    assert harness.outcomes == ["review"]
    assert harness.position == 1


async def test_what_never_works_is_a_dead_letter_and_done() -> None:
    harness = await Harness().assigned()
    harness.arrive()
    harness.answers = [Rejected("no such tender")]
    assert await harness.step() is None

    assert dict(harness.producer.sent[0][3])["x-dlq-reason"] == b"no such tender"
    assert harness.outcomes == ["dead_letter"]
    assert harness.position == 1
    assert harness.metric("events_failed_total", entity="order", reason="rejected") == 1


async def test_while_a_dead_letter_cannot_be_written_the_offset_stays() -> None:
    harness = await Harness().assigned()
    harness.arrive()
    harness.answers = [Rejected("never"), Rejected("never")]
    harness.producer.down = True
    assert await harness.step() is not None
    assert harness.position == 0

    harness.producer.down = False
    assert await harness.step() is None
    assert harness.position == 1


async def test_an_unreadable_record_is_buried_and_its_offset_waits_for_that() -> None:
    harness = await Harness().assigned()
    harness.lanes.add_unreadable(
        Unreadable("orders", 0, 0, 1, b"k", (("ce_id", b"e9"),), b"{", "the header ce_time is missing")
    )
    harness.producer.down = True
    assert await harness.step() is not None
    assert harness.position == 0

    harness.producer.down = False
    assert await harness.step() is None
    assert harness.position == 1
    assert harness.producer.sent[0][2] == b"{"
    assert harness.producer.story() == [("e9", "dead_letter")]


@pytest.mark.parametrize("during", ["park", "append"])
async def test_without_the_database_nothing_passes(during: str) -> None:
    harness = await Harness().assigned()
    if during == "append":
        await harness.park()
    before = harness.position or 0
    harness.answers = [Waiting("no item", waits_for="item:X")] * 2
    harness.arrive()
    harness.parked.down = True
    assert await harness.step() is not None
    assert harness.position == before

    harness.parked.down = False
    assert await harness.step() is None
    assert harness.position == before + 1
    assert len(harness.parked.rows[KEY].records) == before + 1


@pytest.mark.parametrize("error", [Misconfigured("bad secret"), ZeroDivisionError("a bug")])
async def test_what_nobody_expected_stops_the_service_and_passes_nothing(error: Exception) -> None:
    harness = await Harness().assigned()
    harness.arrive()
    harness.answers = [error]

    with pytest.raises(type(error)):
        await harness.step()
    assert harness.position == 0
    assert harness.producer.hops == []


async def test_trace_records_leave_no_trace() -> None:
    harness = await Harness(topic=TRACE).assigned()
    harness.arrive()
    await harness.step()

    assert harness.producer.hops == []


def away(target: str = "heartland") -> TargetDown:
    return TargetDown("away", target=target)


async def test_what_waits_long_for_a_vendor_goes_to_the_database_and_frees_the_watermark() -> None:
    harness = await Harness().assigned()
    harness.arrive()
    harness.answers = [away()] * 2
    assert await harness.step() is not None
    harness.clock.advance(20)
    assert await harness.step() is None

    key = harness.parked.rows[KEY].key
    assert (key.waits_for, key.attempts, key.state) == ("target:heartland", 0, "waiting")
    assert harness.position == 1
    assert harness.outcomes == ["retrying", "parked"]


async def test_a_vendor_that_asks_for_minutes_takes_the_database_instead_of_memory() -> None:
    harness = await Harness().assigned()
    harness.arrive()
    harness.answers = [TargetDown("503", after, target="heartland") for after in (12.0, 600.0, 600.0)]
    assert await harness.step() == Rest(12.0)
    harness.clock.advance(12)
    assert await harness.step() == Rest(8.0)
    harness.clock.advance(8)

    assert await harness.step() is None
    assert harness.parked.rows[KEY].key.waits_for == "target:heartland"
    assert harness.position == 1


async def test_a_parked_key_rests_no_longer_than_that_either_what_comes_behind_it_is_in_memory() -> None:
    harness = await Harness().assigned()
    await harness.park()
    harness.clock.advance(60)
    harness.answers = [TargetDown("503", 600.0, target="heartland")]
    harness.parking.due[KEY] = (await harness.parked.due(harness.clock.now(), "orders", [0], 9))[0]
    harness.lanes.retry_parked(KEY, "main")

    assert await harness.step() == Rest(20.0)


async def test_while_a_vendor_is_known_to_be_down_other_keys_follow_at_once() -> None:
    harness = await Harness().assigned()
    harness.arrive()
    harness.answers = [away()] * 3
    await harness.step()
    harness.clock.advance(20)
    await harness.step()
    harness.arrive(subject="1002")

    assert await harness.step() is None
    assert harness.position == 2


async def test_one_event_that_always_fails_its_vendor_does_not_hold_the_watermark() -> None:
    harness = await Harness().assigned()
    harness.arrive()
    harness.answers = [away(), Result("applied"), away()]
    await harness.step()
    harness.clock.advance(19)
    harness.arrive(subject="1002")
    other, first = harness.lanes.next(), harness.lanes.next()
    assert other is not None
    assert first is not None
    for work in sorted((other, first), key=lambda work: work.key, reverse=True):
        harness.clock.advance(1)
        rest = await harness.runner.run(work)
        assert rest is None
        harness.lanes.finish(work)

    assert list(harness.parked.rows) == [KEY]
    assert harness.position == 2


@pytest.mark.parametrize("error", [TargetDown("PostgreSQL is away"), OutcomeUnknown("in doubt", 5.0)])
async def test_what_is_no_outage_of_a_vendor_waits_in_its_lane(error: Exception) -> None:
    harness = await Harness().assigned()
    harness.arrive()
    harness.answers = [error] * 3
    for _ in range(3):
        assert await harness.step() is not None
        harness.clock.advance(60)

    assert harness.parked.rows == {}


async def test_a_key_that_waited_out_an_outage_is_not_urgent_and_costs_no_attempt() -> None:
    harness = await Harness(collapse=True).assigned()
    harness.arrive()
    harness.answers = [away()] * 2
    await harness.step()
    harness.clock.advance(20)
    await harness.step()
    harness.arrive(2)
    await harness.step()
    harness.answers = [away()] * 40
    urgent: list[bool] = []
    handle = harness.handle

    async def watched(records: Sequence[Record]) -> Result:
        urgent.append(records[-1].urgent)
        return await handle(records)

    harness.handle = watched  # type: ignore[method-assign]
    harness.runner._routes["orders"] = replace(harness.runner._routes["orders"], handle=watched)
    await harness.due(10)

    assert urgent == [False] * 41
    assert harness.handled[-1] == [2]
    assert harness.parked.rows == {}
    assert harness.producer.sent == []


async def test_an_outage_is_tried_again_within_seconds_however_long_it_lasts() -> None:
    harness = await Harness().assigned()
    await harness.park()
    harness.clock.advance(60)
    harness.answers = [away()] * 30
    key = (await harness.parked.due(harness.clock.now(), "orders", [0], 9))[0]
    harness.parking.due[KEY] = key
    harness.lanes.retry_parked(KEY, "main")
    rests = [await harness.step() for _ in range(30)]

    assert max(rest.seconds for rest in rests if rest) <= 5.0


async def test_an_event_that_goes_round_and_round_is_for_a_person() -> None:
    harness = await Harness().assigned()
    record = a_record("1001", 0)
    record.envelope = replace(record.envelope, hop=13)
    harness.lanes.add(record)
    assert await harness.step() is None

    assert harness.handled == []
    assert harness.reviews.opened == {
        ("main", "loop_suspected", "order", "1001"): "the event has passed 13 services, which indicates a loop"
    }


async def test_an_operator_hears_of_a_dead_letter() -> None:
    harness = await Harness().assigned()
    harness.arrive()
    harness.answers = [Rejected("no such tender")]
    await harness.step()

    [alert] = harness.producer.alerts
    assert (alert.kind, alert.key, alert.reason, alert.service) == ("dead_letter", "1001", "no such tender", "writer")
    assert alert.details == {"origin": "orders:0:0"}


async def test_an_operator_hears_when_a_key_halts_and_when_it_flows_again() -> None:
    harness = await Harness().assigned()
    await harness.park()
    harness.answers = [RetryLater("locked")] * 2
    await harness.due(60)
    await harness.due(300)
    assert [(alert.kind, alert.resolved) for alert in harness.producer.alerts][-1] == ("key_halted", False)

    row = harness.parked.rows[KEY]
    row.key = replace(row.key, state="waiting", next_attempt_at=harness.clock.now())
    await harness.due(0)
    assert [(alert.kind, alert.resolved) for alert in harness.producer.alerts][-1] == ("key_halted", True)
    assert harness.parked.rows == {}


async def test_nothing_but_dead_letters_stops_the_service_with_a_last_word() -> None:
    harness = await Harness().assigned()
    harness.arrive(99)
    harness.answers = [Rejected("never")] * 99
    # Half of the first fifty events is what it takes to be sure.
    for _ in range(49):
        await harness.step()
    with pytest.raises(Misconfigured, match="50 of the last 50 events are dead letters"):
        await harness.step()

    assert harness.producer.alerts[-1].kind == "too_many_dead_letters"
    assert harness.position == 49


async def test_a_service_that_works_again_says_that_letters_are_few() -> None:
    harness = await Harness().assigned()
    harness.arrive(60)
    for _ in range(60):
        await harness.step()

    told = [(alert.kind, alert.resolved) for alert in harness.producer.alerts]
    assert told == [("too_many_dead_letters", True)]


@pytest.mark.parametrize("during", ["park", "append", "replay", "shed"])
async def test_who_slept_through_its_replacement_changes_nothing(during: str) -> None:
    harness = await Harness().assigned()
    if during in ("append", "replay"):
        await harness.park()
    harness.answers = [Waiting("no item", waits_for="item:X")] if during == "park" else []
    if during == "shed":
        harness.answers = [away()] * 2
        harness.arrive()
        await harness.step()
        harness.clock.advance(20)
    elif during == "replay":
        harness.clock.advance(60)
        harness.parking.due[KEY] = harness.parked.rows[KEY].key
        harness.lanes.retry_parked(KEY, "main")
    else:
        harness.arrive()
    # Another process takes the partition over while this one sleeps.
    await harness.parked.take("orders", [0])
    before = {name: list(row.records) for name, row in harness.parked.rows.items()}

    with pytest.raises(Fenced):
        await harness.step()
    assert {name: list(row.records) for name, row in harness.parked.rows.items()} == before


async def test_a_key_that_goes_round_waits_for_its_newest_state_and_a_person_hears_of_it() -> None:
    harness = await Harness(collapse=True, writes=True).assigned()
    for _ in range(15):
        harness.arrive()
        await harness.step()
        harness.clock.advance(2.0)
    harness.arrive(2)
    await harness.step()
    harness.arrive()
    await harness.step()

    assert len(harness.handled) == 15
    assert harness.outcomes[-4:] == ["superseded", "parked", "parked", "superseded"]
    assert set(harness.reviews.opened) == {("main", "loop_suspected", "order", "1001")}
    assert [(alert.kind, alert.key, alert.severity) for alert in harness.producer.alerts] == [
        ("loop_suspected", "1001", "critical")
    ]
    assert harness.position == 18

    await harness.due(60)
    assert harness.handled[15:] == [[17]]
    assert harness.parked.rows == {}


@pytest.mark.parametrize("writes", [False, True])
async def test_what_is_written_at_its_pace_or_not_written_at_all_is_no_loop(writes: bool) -> None:
    harness = await Harness(collapse=True, writes=writes).assigned()
    for _ in range(40):
        harness.arrive()
        await harness.step()
        harness.clock.advance(10.0 if writes else 0.1)

    assert len(harness.handled) == 40
    assert harness.producer.alerts == []


async def test_an_event_that_its_vendor_cannot_stand_is_parked_for_a_trouble_of_its_own() -> None:
    harness = await Harness().assigned()
    harness.arrive()
    for _ in range(4):
        error = TargetDown("HTTP 500", target="heartland", answered=True)
        error.well_at = harness.clock.monotonic() + 0.1  # others are answered all the time
        harness.answers.append(error)
    rests = []
    for seconds in (0, 5, 4.9, 0.1):
        harness.clock.advance(seconds)
        rests.append(await harness.step())

    assert [rest is None for rest in rests] == [False, False, False, True]
    key = harness.parked.rows[KEY].key
    assert (key.waits_for, key.attempts, key.error_class) == (None, 0, "TargetDown")
    assert key.next_attempt_at - harness.clock.now() == timedelta(seconds=45)
    assert harness.metric("events_failed_total", entity="order", reason="retry") == 1
