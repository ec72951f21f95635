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


class Bench:
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

    async def assigned(self) -> Bench:
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
    bench = await Bench().assigned()
    bench.arrive()
    bench.clock.advance(2)
    assert await bench.step() is None

    assert bench.position == 1
    hop = bench.producer.hops[0]
    assert (hop.outcome, hop.key, hop.attempts, hop.source_time) == ("applied", "1001", 1, NOON)
    assert hop.trace_id == "a" * 32
    assert bench.metric("latency_seconds_sum", entity="order") == 2.0
    assert bench.metric("outcomes_total", entity="order", outcome="applied") == 1


async def test_collapsed_records_are_superseded_by_the_last() -> None:
    bench = await Bench(collapse=True).assigned()
    bench.arrive(3)
    await bench.step()

    assert bench.handled == [[0, 1, 2]]
    assert bench.outcomes == ["superseded", "superseded", "applied"]
    assert bench.position == 3


@pytest.mark.parametrize("error", [TargetDown("away"), OutcomeUnknown("no answer")])
async def test_an_outage_is_tried_again_for_ever_and_counts_nothing(error: Exception) -> None:
    bench = await Bench().assigned()
    bench.arrive()
    bench.answers = [error] * 50
    rests = [await bench.step() for _ in range(50)]

    assert bench.position == 0
    assert bench.parked.rows == {}
    assert bench.outcomes == ["retrying"]
    seconds = [rest.seconds for rest in rests if rest]
    assert seconds == sorted(seconds)
    assert seconds[-1] == 15.0  # half of the cap: the dice here always show a half
    await bench.step()
    assert (bench.position, bench.attempts[-1], bench.outcomes[-1]) == (1, 1, "applied")


async def test_a_target_that_says_when_is_not_asked_before() -> None:
    bench = await Bench().assigned()
    bench.arrive()
    bench.answers = [TargetDown("busy", after=40.0)]

    assert await bench.step() == Rest(40.0)


async def test_an_event_of_its_own_trouble_gets_three_tries_and_is_parked() -> None:
    bench = await Bench().assigned()
    bench.arrive(2)
    bench.answers = [RetryLater("locked")] * 3
    assert await bench.step() is not None
    assert await bench.step() is not None
    assert await bench.step() is None

    assert bench.attempts == [1, 2, 3]
    key = bench.parked.rows[KEY].key
    assert (key.reason, key.error_class, key.attempts, key.state) == ("locked", "RetryLater", 0, "waiting")
    assert key.next_attempt_at == NOON + timedelta(seconds=45)
    assert bench.position == 1
    await bench.step()
    assert [record.offset for record in bench.parked.rows[KEY].records] == [0, 1]
    assert bench.handled == [[0], [0], [0]]
    assert bench.position == 2
    assert bench.outcomes == ["retrying", "parked", "parked"]


async def test_a_parked_key_works_again_in_order() -> None:
    bench = await Bench().assigned()
    await bench.park()
    bench.arrive(2)
    await bench.step()
    await bench.due(60)
    bench.arrive()
    await bench.step()

    assert bench.handled == [[0], [0], [1], [2], [3]]
    assert bench.parked.rows == {}
    assert bench.position == 4


async def test_a_record_that_arrives_during_the_replay_waits_for_its_end() -> None:
    bench = await Bench().assigned()
    await bench.park()
    bench.clock.advance(60)
    key = (await bench.parked.due(bench.clock.now(), "orders", [0], 9))[0]
    bench.parking.due[KEY] = key
    bench.lanes.retry_parked(KEY, "main")
    work = bench.lanes.next()
    assert work is not None
    assert work.kind is Kind.RETRY_PARKED
    bench.arrive()
    assert bench.lanes.next() is None

    await bench.runner.run(work)
    bench.lanes.finish(work)
    await bench.step()
    assert bench.handled == [[0], [0], [1]]


async def test_a_key_that_somebody_else_released_runs_its_records() -> None:
    bench = await Bench().assigned()
    await bench.park()
    bench.parked.rows.clear()
    bench.arrive()
    assert await bench.step() == Rest(0.0)
    await bench.step()

    assert bench.handled == [[0], [1]]
    assert bench.position == 2


async def test_collapsing_keys_keep_only_the_newest_parked_record() -> None:
    bench = await Bench(collapse=True).assigned()
    await bench.park()
    bench.arrive(3)
    await bench.step()
    assert [record.offset for record in bench.parked.rows[KEY].records] == [3]
    assert bench.outcomes == ["parked", "superseded", "superseded", "parked", "superseded"]

    await bench.due(60)
    assert bench.handled == [[0], [3]]


async def test_after_its_schedule_a_key_halts_with_a_dead_letter_and_a_review() -> None:
    bench = await Bench().assigned()
    await bench.park(Waiting("no item", waits_for="item:TEE"))
    bench.answers = [RetryLater("locked")] * 3
    await bench.due(60)
    assert bench.parked.rows[KEY].key.attempts == 1
    await bench.due(300)

    row = bench.parked.rows[KEY]
    assert row.key.state == "halted"
    assert len(row.records) == 1
    assert dict(bench.producer.sent[0][3])["x-dlq-attempts"] == b"5"
    assert dict(bench.producer.sent[0][3])["x-dlq-retriable"] == b"true"
    assert ("main", "halted", "order", "1001") in bench.reviews.opened
    assert bench.metric("dead_letters_total", entity="order") == 1
    bench.arrive()
    await bench.step()
    assert len(row.records) == 2
    assert bench.position == 2


async def test_the_next_record_of_a_key_has_all_of_its_schedule() -> None:
    bench = await Bench().assigned()
    await bench.park()
    bench.arrive()
    await bench.step()
    bench.answers = [RetryLater("locked")]
    await bench.due(60)
    bench.answers = [Result("applied"), RetryLater("another trouble")]
    await bench.due(300)
    key = bench.parked.rows[KEY].key
    assert (key.state, key.attempts, key.first_failed_at) == ("waiting", 1, bench.clock.now())

    bench.answers = [RetryLater("another trouble")]
    await bench.due(300)
    assert bench.parked.rows[KEY].key.state == "halted"
    assert dict(bench.producer.sent[0][3])["x-dlq-attempts"] == b"5"


async def test_a_skipping_route_lets_the_next_record_pass() -> None:
    bench = await Bench(give_up="skip").assigned()
    await bench.park()
    bench.arrive()
    await bench.step()
    bench.answers = [RetryLater("locked")] * 2
    await bench.due(60)
    await bench.due(300)

    assert bench.handled == [[0], [0], [0], [1]]
    assert bench.parked.rows == {}
    assert len(bench.producer.sent) == 1


async def test_waiting_does_not_use_up_the_schedule() -> None:
    bench = await Bench().assigned()
    await bench.park()
    bench.answers = [Waiting("no item TEE", waits_for="item:TEE") for _ in range(20)]
    for _ in range(20):
        await bench.due(300)
    assert bench.parked.rows[KEY].key.state == "waiting"
    assert bench.producer.sent == []

    await bench.due(300)
    assert bench.parked.rows == {}


async def test_waiting_ends_after_its_time() -> None:
    bench = await Bench().assigned()
    await bench.park()
    bench.answers = [Waiting("no item TEE", waits_for="item:TEE")]
    await bench.due(7 * 24 * 3600)

    assert bench.parked.rows[KEY].key.state == "halted"
    assert len(bench.producer.sent) == 1


async def test_an_outage_during_a_replay_counts_nothing() -> None:
    bench = await Bench().assigned()
    await bench.park()
    bench.clock.advance(60)
    bench.answers = [TargetDown("away")] * 5
    await bench.due(0)

    assert bench.parked.rows == {}
    assert bench.handled == [[0]] * 7


@pytest.mark.parametrize(
    ("error", "outcome", "letters"),
    [(WRONG, "review", 0), (Rejected("never"), "dead_letter", 1)],
    ids=["a person decides", "never works"],
)
async def test_a_replayed_record_can_end_otherwise(error: Exception, outcome: str, letters: int) -> None:
    bench = await Bench().assigned()
    await bench.park()
    bench.answers = [error]
    await bench.due(60)

    assert bench.parked.rows == {}
    assert bench.outcomes[-1] == outcome
    assert len(bench.producer.sent) == letters


async def test_what_a_person_must_decide_is_a_review_and_done() -> None:
    bench = await Bench().assigned()
    bench.arrive()
    bench.answers = [WRONG]
    assert await bench.step() is None

    assert bench.reviews.opened == {("main", "order_unbalanced", "order", "1001"): "off by 1.00"}
    assert bench.outcomes == ["review"]
    assert bench.position == 1


async def test_what_never_works_is_a_dead_letter_and_done() -> None:
    bench = await Bench().assigned()
    bench.arrive()
    bench.answers = [Rejected("no such tender")]
    assert await bench.step() is None

    assert dict(bench.producer.sent[0][3])["x-dlq-reason"] == b"no such tender"
    assert bench.outcomes == ["dead_letter"]
    assert bench.position == 1
    assert bench.metric("events_failed_total", entity="order", reason="rejected") == 1


async def test_while_a_dead_letter_cannot_be_written_the_offset_stays() -> None:
    bench = await Bench().assigned()
    bench.arrive()
    bench.answers = [Rejected("never"), Rejected("never")]
    bench.producer.down = True
    assert await bench.step() is not None
    assert bench.position == 0

    bench.producer.down = False
    assert await bench.step() is None
    assert bench.position == 1


async def test_an_unreadable_record_is_buried_and_its_offset_waits_for_that() -> None:
    bench = await Bench().assigned()
    bench.lanes.add_unreadable(
        Unreadable("orders", 0, 0, 1, b"k", (("ce_id", b"e9"),), b"{", "the header ce_time is missing")
    )
    bench.producer.down = True
    assert await bench.step() is not None
    assert bench.position == 0

    bench.producer.down = False
    assert await bench.step() is None
    assert bench.position == 1
    assert bench.producer.sent[0][2] == b"{"
    assert bench.producer.story() == [("e9", "dead_letter")]


@pytest.mark.parametrize("during", ["park", "append"])
async def test_without_the_database_nothing_passes(during: str) -> None:
    bench = await Bench().assigned()
    if during == "append":
        await bench.park()
    before = bench.position or 0
    bench.answers = [Waiting("no item", waits_for="item:X")] * 2
    bench.arrive()
    bench.parked.down = True
    assert await bench.step() is not None
    assert bench.position == before

    bench.parked.down = False
    assert await bench.step() is None
    assert bench.position == before + 1
    assert len(bench.parked.rows[KEY].records) == before + 1


@pytest.mark.parametrize("error", [Misconfigured("bad secret"), ZeroDivisionError("a bug")])
async def test_what_nobody_expected_stops_the_service_and_passes_nothing(error: Exception) -> None:
    bench = await Bench().assigned()
    bench.arrive()
    bench.answers = [error]

    with pytest.raises(type(error)):
        await bench.step()
    assert bench.position == 0
    assert bench.producer.hops == []


async def test_trace_records_leave_no_trace() -> None:
    bench = await Bench(topic=TRACE).assigned()
    bench.arrive()
    await bench.step()

    assert bench.producer.hops == []


def away(target: str = "heartland") -> TargetDown:
    return TargetDown("away", target=target)


async def test_what_waits_long_for_a_vendor_goes_to_the_database_and_frees_the_watermark() -> None:
    bench = await Bench().assigned()
    bench.arrive()
    bench.answers = [away()] * 2
    assert await bench.step() is not None
    bench.clock.advance(20)
    assert await bench.step() is None

    key = bench.parked.rows[KEY].key
    assert (key.waits_for, key.attempts, key.state) == ("target:heartland", 0, "waiting")
    assert bench.position == 1
    assert bench.outcomes == ["retrying", "parked"]


async def test_a_vendor_that_asks_for_minutes_takes_the_database_instead_of_memory() -> None:
    bench = await Bench().assigned()
    bench.arrive()
    bench.answers = [TargetDown("503", after, target="heartland") for after in (12.0, 600.0, 600.0)]
    assert await bench.step() == Rest(12.0)
    bench.clock.advance(12)
    assert await bench.step() == Rest(8.0)
    bench.clock.advance(8)

    assert await bench.step() is None
    assert bench.parked.rows[KEY].key.waits_for == "target:heartland"
    assert bench.position == 1


async def test_a_parked_key_rests_no_longer_than_that_either_what_comes_behind_it_is_in_memory() -> None:
    bench = await Bench().assigned()
    await bench.park()
    bench.clock.advance(60)
    bench.answers = [TargetDown("503", 600.0, target="heartland")]
    bench.parking.due[KEY] = (await bench.parked.due(bench.clock.now(), "orders", [0], 9))[0]
    bench.lanes.retry_parked(KEY, "main")

    assert await bench.step() == Rest(20.0)


async def test_while_a_vendor_is_known_to_be_down_other_keys_follow_at_once() -> None:
    bench = await Bench().assigned()
    bench.arrive()
    bench.answers = [away()] * 3
    await bench.step()
    bench.clock.advance(20)
    await bench.step()
    bench.arrive(subject="1002")

    assert await bench.step() is None
    assert bench.position == 2


async def test_one_event_that_always_fails_its_vendor_does_not_hold_the_watermark() -> None:
    bench = await Bench().assigned()
    bench.arrive()
    bench.answers = [away(), Result("applied"), away()]
    await bench.step()
    bench.clock.advance(19)
    bench.arrive(subject="1002")
    other, first = bench.lanes.next(), bench.lanes.next()
    assert other is not None
    assert first is not None
    for work in sorted((other, first), key=lambda work: work.key, reverse=True):
        bench.clock.advance(1)
        rest = await bench.runner.run(work)
        assert rest is None
        bench.lanes.finish(work)

    assert list(bench.parked.rows) == [KEY]
    assert bench.position == 2


@pytest.mark.parametrize("error", [TargetDown("PostgreSQL is away"), OutcomeUnknown("in doubt", 5.0)])
async def test_what_is_no_outage_of_a_vendor_waits_in_its_lane(error: Exception) -> None:
    bench = await Bench().assigned()
    bench.arrive()
    bench.answers = [error] * 3
    for _ in range(3):
        assert await bench.step() is not None
        bench.clock.advance(60)

    assert bench.parked.rows == {}


async def test_a_key_that_waited_out_an_outage_is_not_urgent_and_costs_no_attempt() -> None:
    bench = await Bench(collapse=True).assigned()
    bench.arrive()
    bench.answers = [away()] * 2
    await bench.step()
    bench.clock.advance(20)
    await bench.step()
    bench.arrive(2)
    await bench.step()
    bench.answers = [away()] * 40
    urgent: list[bool] = []
    handle = bench.handle

    async def watched(records: Sequence[Record]) -> Result:
        urgent.append(records[-1].urgent)
        return await handle(records)

    bench.handle = watched  # type: ignore[method-assign]
    bench.runner._routes["orders"] = replace(bench.runner._routes["orders"], handle=watched)
    await bench.due(10)

    assert urgent == [False] * 41
    assert bench.handled[-1] == [2]
    assert bench.parked.rows == {}
    assert bench.producer.sent == []


async def test_an_outage_is_tried_again_within_seconds_however_long_it_lasts() -> None:
    bench = await Bench().assigned()
    await bench.park()
    bench.clock.advance(60)
    bench.answers = [away()] * 30
    key = (await bench.parked.due(bench.clock.now(), "orders", [0], 9))[0]
    bench.parking.due[KEY] = key
    bench.lanes.retry_parked(KEY, "main")
    rests = [await bench.step() for _ in range(30)]

    assert max(rest.seconds for rest in rests if rest) <= 5.0


async def test_an_event_that_goes_round_and_round_is_for_a_person() -> None:
    bench = await Bench().assigned()
    record = a_record("1001", 0)
    record.envelope = replace(record.envelope, hop=13)
    bench.lanes.add(record)
    assert await bench.step() is None

    assert bench.handled == []
    assert bench.reviews.opened == {
        ("main", "loop_suspected", "order", "1001"): "the event has come through 13 hops, which only a loop does"
    }


async def test_an_operator_hears_of_a_dead_letter() -> None:
    bench = await Bench().assigned()
    bench.arrive()
    bench.answers = [Rejected("no such tender")]
    await bench.step()

    [alert] = bench.producer.alerts
    assert (alert.kind, alert.key, alert.reason, alert.service) == ("dead_letter", "1001", "no such tender", "writer")
    assert alert.details == {"origin": "orders:0:0"}


async def test_an_operator_hears_when_a_key_halts_and_when_it_flows_again() -> None:
    bench = await Bench().assigned()
    await bench.park()
    bench.answers = [RetryLater("locked")] * 2
    await bench.due(60)
    await bench.due(300)
    assert [(alert.kind, alert.resolved) for alert in bench.producer.alerts][-1] == ("key_halted", False)

    row = bench.parked.rows[KEY]
    row.key = replace(row.key, state="waiting", next_attempt_at=bench.clock.now())
    await bench.due(0)
    assert [(alert.kind, alert.resolved) for alert in bench.producer.alerts][-1] == ("key_halted", True)
    assert bench.parked.rows == {}


async def test_nothing_but_dead_letters_stops_the_service_with_a_last_word() -> None:
    bench = await Bench().assigned()
    bench.arrive(99)
    bench.answers = [Rejected("never")] * 99
    # Half of the first fifty events is what it takes to be sure.
    for _ in range(49):
        await bench.step()
    with pytest.raises(Misconfigured, match="50 of the last 50 events are dead letters"):
        await bench.step()

    assert bench.producer.alerts[-1].kind == "too_many_dead_letters"
    assert bench.position == 49


async def test_a_service_that_works_again_says_that_letters_are_few() -> None:
    bench = await Bench().assigned()
    bench.arrive(60)
    for _ in range(60):
        await bench.step()

    told = [(alert.kind, alert.resolved) for alert in bench.producer.alerts]
    assert told == [("too_many_dead_letters", True)]


@pytest.mark.parametrize("during", ["park", "append", "replay", "shed"])
async def test_who_slept_through_its_replacement_changes_nothing(during: str) -> None:
    bench = await Bench().assigned()
    if during in ("append", "replay"):
        await bench.park()
    bench.answers = [Waiting("no item", waits_for="item:X")] if during == "park" else []
    if during == "shed":
        bench.answers = [away()] * 2
        bench.arrive()
        await bench.step()
        bench.clock.advance(20)
    elif during == "replay":
        bench.clock.advance(60)
        bench.parking.due[KEY] = bench.parked.rows[KEY].key
        bench.lanes.retry_parked(KEY, "main")
    else:
        bench.arrive()
    # Another process takes the partition over while this one sleeps.
    await bench.parked.take("orders", [0])
    before = {name: list(row.records) for name, row in bench.parked.rows.items()}

    with pytest.raises(Fenced):
        await bench.step()
    assert {name: list(row.records) for name, row in bench.parked.rows.items()} == before


async def test_a_key_that_goes_round_waits_for_its_newest_state_and_a_person_hears_of_it() -> None:
    bench = await Bench(collapse=True, writes=True).assigned()
    for _ in range(15):
        bench.arrive()
        await bench.step()
        bench.clock.advance(2.0)
    bench.arrive(2)
    await bench.step()
    bench.arrive()
    await bench.step()

    assert len(bench.handled) == 15
    assert bench.outcomes[-4:] == ["superseded", "parked", "parked", "superseded"]
    assert set(bench.reviews.opened) == {("main", "loop_suspected", "order", "1001")}
    assert [(alert.kind, alert.key, alert.severity) for alert in bench.producer.alerts] == [
        ("loop_suspected", "1001", "critical")
    ]
    assert bench.position == 18

    await bench.due(60)
    assert bench.handled[15:] == [[17]]
    assert bench.parked.rows == {}


@pytest.mark.parametrize("writes", [False, True])
async def test_what_is_written_at_its_pace_or_not_written_at_all_is_no_loop(writes: bool) -> None:
    bench = await Bench(collapse=True, writes=writes).assigned()
    for _ in range(40):
        bench.arrive()
        await bench.step()
        bench.clock.advance(10.0 if writes else 0.1)

    assert len(bench.handled) == 40
    assert bench.producer.alerts == []


async def test_an_event_that_its_vendor_cannot_stand_is_parked_for_a_trouble_of_its_own() -> None:
    bench = await Bench().assigned()
    bench.arrive()
    for _ in range(4):
        error = TargetDown("HTTP 500", target="heartland", answered=True)
        error.well_at = bench.clock.monotonic() + 0.1  # others are answered all the time
        bench.answers.append(error)
    rests = []
    for seconds in (0, 5, 4.9, 0.1):
        bench.clock.advance(seconds)
        rests.append(await bench.step())

    assert [rest is None for rest in rests] == [False, False, False, True]
    key = bench.parked.rows[KEY].key
    assert (key.waits_for, key.attempts, key.error_class) == (None, 0, "TargetDown")
    assert key.next_attempt_at - bench.clock.now() == timedelta(seconds=45)
    assert bench.metric("events_failed_total", entity="order", reason="retry") == 1
