"""The sequence of a write, with an entity made up for it: a number that the target holds, raised step by step."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from shared.canonical.event import CanonicalEvent
from shared.canonical.priority import Priority
from shared.canonical.record import CanonicalRecord
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
from shared.messaging.envelope import CAUSE, DEFINITIONS, Envelope
from shared.messaging.record import Record, Result
from shared.state.atomic_write import Intent, LinkPair
from shared.state.ledger import Effect
from shared.state.target_state import TargetState
from shared.state.versions import Verdict, Version
from shared.sync.misconfigured import ConnectionReviews
from shared.sync.plan import Plan, Problem
from shared.sync.record_sync import Attempt, RecordSync
from shared.sync.sync import Sync
from tests.support.clock import FakeClock
from tests.support.memory_ledger import MemoryLedger
from tests.support.memory_state import MemoryAtomicWriter, MemoryReviews, MemoryTargetStates, Points, Stored
from tests.support.messaging import NOON, a_record

ABOUT = ("main", "count", "1001")
LATER = timedelta(minutes=1)


class Count(CanonicalRecord):
    number: int


CountEvent = CanonicalEvent[Count]


@dataclass
class Target:
    """What the target holds, what was done, and what goes wrong at the next step or plan."""

    number: int | None = None
    log: list[str] = field(default_factory=list)
    error: BaseException | None = None
    problems: tuple[Problem, ...] = ()
    settled: tuple[Problem, ...] = ()
    waits: Waiting | None = None
    never_ends: bool = False
    refused: Problem | None = None
    open_error: Exception | None = None
    definitions_version: int = 0
    link: LinkPair | None = None
    conflict: Problem | None = None
    on_step: Callable[[], Awaitable[None]] | None = None


class CountSync(RecordSync[int, int, str]):
    read_lag_seconds = 7.0

    def __init__(self, target: Target, attempt: Attempt[CountEvent]) -> None:
        self.target = target
        self.attempt = attempt
        self.definitions_version = target.definitions_version

    def desired(self) -> int:
        self.target.log.append("desired")
        return self.attempt.event.record.number

    async def actual(self, desired: int) -> int:
        self.target.log.append("actual")
        if self.target.link:
            self.attempt.work.links.append(self.target.link)
        return self.target.number or 0

    def plan(self, desired: int, actual: int) -> Plan[str]:
        self.target.log.append(f"plan from {actual}")
        if self.target.never_ends:
            return Plan((), complete=False)
        return Plan(("raise",) * (actual < desired), self.target.problems, actual + 1 >= desired, self.target.waits)

    def effects(self, plan: Plan[str]) -> Mapping[Effect, Intent | None]:
        return {Effect("main", "target", "count", "1001", step): {"step": step} for step in plan.steps}

    async def execute(self, step: str, actual: int) -> int:
        [(effect, claim)] = self.attempt.work.held.items()
        self.target.log.append(f"{step}, claimed: {claim.state}")
        if self.target.on_step:
            await self.target.on_step()
        assert self.attempt.context.pre_send_check is not None
        await self.attempt.context.pre_send_check()
        if self.target.error:
            error, self.target.error = self.target.error, None
            raise error
        self.attempt.work.held.pop(effect)
        self.target.number = actual + 1
        return actual + 1

    def settled(self, actual: int) -> Sequence[Problem]:
        self.target.log.append("settled")
        return self.target.settled

    async def publish(self, actual: int, cause: Envelope, priority: Priority) -> None:
        self.target.log.append(f"publish {actual} at {priority}")

    def forget(self) -> None:
        self.target.log.append("forget")

    def refusal(self, error: Rejected) -> Problem | None:
        return self.target.refused

    def conflict(self, pair: LinkPair, conflict: NeedsReview) -> Problem:
        if self.target.conflict is None:
            raise conflict
        return self.target.conflict

    def result(self, actual: int) -> Result:
        return Result("applied", detail=str(actual))


class CountInTarget:
    entity = "count"
    target = "target"
    review_kinds = ("odd", "even", "refused")

    def __init__(self, target: Target) -> None:
        self._target = target

    def read(self, body: bytes) -> CountEvent:
        return CountEvent.model_validate_json(body)

    def customer_of(self, event: CountEvent) -> str:
        return ""

    def definitions_version(self, connection: str) -> int:
        return self._target.definitions_version

    def open(self, attempt: Attempt[CountEvent]) -> CountSync:
        if self._target.open_error:
            raise self._target.open_error
        self._target.log.append("open")
        return CountSync(self._target, attempt)

    def skipped(self, verdict: Verdict, event: CountEvent, state: TargetState) -> Result:
        return Result(verdict, detail=str(event.record.number))


class Bench:
    def __init__(self, *, gated: bool = True) -> None:
        self.target, self.stored, self.points, self.clock = Target(), Stored(), Points(), FakeClock(NOON)
        ledger = MemoryLedger(self.clock, self.stored, self.points.at)
        writer: Any = MemoryAtomicWriter(self.stored, ledger, self.points)
        states: Any = MemoryTargetStates(self.stored, self.points) if gated else None
        reviews: Any = MemoryReviews(self.stored, self.points)
        epochs: Any = self
        self.sync = Sync(
            CountInTarget(self.target),
            writer=writer,
            clock=self.clock,
            states=states,
            epochs=epochs,
            connections=ConnectionReviews(reviews),
        )
        self.taken_at_answer = NOON

    async def taken_at(self, topic: str, partition: int) -> Any:
        return self.taken_at_answer

    async def write(self, number: int, *, later: int = 0, cause: str = "", definitions: int = 0) -> Result:
        return await self.sync.handle([an_event(number, later, cause=cause, definitions=definitions)])

    @property
    def version(self) -> Version:
        return self.stored.versions[*ABOUT, "target"]

    def statements(self) -> int:
        return self.points.passed.count("atomic_write")


def an_event(number: int, later: int = 0, *, cause: str = "", definitions: int = 0) -> Record:
    event = CountEvent(
        schema_name="tillbridge.count/1", connection="main", entity="count", source="x", key="1001",
        version=NOON + later * LATER, content_hash=str(number), lineage=(), read_at=NOON, record=Count(number=number),
    )  # fmt: skip
    record = a_record(body=event.model_dump_json().encode())
    if cause or definitions:
        record.envelope = replace(record.envelope, extra={CAUSE: cause, DEFINITIONS: str(definitions)})
    return record


def a_problem(kind: str, *, blocks: bool = False) -> Problem:
    return Problem(kind, f"it is {kind}", "look", {"by": 1}, blocks)


@pytest.fixture
async def bench() -> Bench:
    return Bench()


async def test_the_sequence_is_planned_again_until_the_target_matches(bench: Bench) -> None:
    result = await bench.write(2)

    assert bench.target.log == [
        "open", "desired", "actual", "plan from 0", "raise, claimed: new", "plan from 1", "raise, claimed: in_doubt",
        "settled", "publish 2 at live",
    ]  # fmt: skip
    assert (result.outcome, result.detail, bench.target.number) == ("applied", "2", 2)
    assert bench.version == Version(NOON, "2")


async def test_what_matches_takes_one_statement(bench: Bench) -> None:
    bench.target.number = 2

    await bench.write(2)

    assert (bench.statements(), bench.version) == (1, Version(NOON, "2"))


@pytest.mark.parametrize(
    ("number", "later", "cause", "outcome"),
    [
        pytest.param(1, 0, "", "duplicate", id="the same"),
        pytest.param(1, 1, "", "echo", id="the same, later"),
        pytest.param(2, -1, "", "stale", id="older"),
        pytest.param(2, 1, "", "applied", id="newer"),
        pytest.param(1, 0, "drift", "applied", id="asked again"),
        pytest.param(1, -1, "drift", "stale", id="asked again, but older"),
    ],
)
async def test_the_gate(bench: Bench, number: int, later: int, cause: str, outcome: str) -> None:
    await bench.write(1)
    bench.target.log.clear()

    assert (await bench.write(number, later=later, cause=cause)).outcome == outcome
    assert bool(bench.target.log) == (outcome == "applied")


async def test_an_echo_stands_for_its_moment_and_keeps_what_was_stored(bench: Bench) -> None:
    bench.target.definitions_version = 3
    bench.target.problems = (a_problem("odd"),)
    await bench.write(1)
    bench.target.definitions_version = 4

    await bench.write(1, later=2)

    assert bench.version == Version(NOON + 2 * LATER, "1", 3, has_open_reviews=True)
    assert (await bench.write(5, later=1)).outcome == "stale"


async def test_each_write_tells_with_which_definitions_it_was_made(bench: Bench) -> None:
    bench.target.definitions_version = 3
    await bench.write(1)
    assert bench.version.definitions_version == 3
    bench.target.definitions_version = 4

    assert (await bench.write(1)).outcome == "duplicate"
    assert bench.version.definitions_version == 3
    assert (await bench.write(1, cause="drift")).outcome == "applied"
    assert bench.version.definitions_version == 4


async def test_changed_definitions_are_reapplied_once(bench: Bench) -> None:
    bench.target.definitions_version = 3
    await bench.write(1)
    bench.target.definitions_version = 4

    assert (await bench.write(1, definitions=4)).outcome == "applied"
    assert (await bench.write(1, definitions=4)).outcome == "duplicate"
    assert (await bench.write(1, later=-1, definitions=4)).outcome == "stale"
    assert bench.version.definitions_version == 4


async def test_a_reapply_waits_until_its_version_of_the_settings_is_loaded(bench: Bench) -> None:
    bench.target.definitions_version = 3
    await bench.write(1)

    with pytest.raises(RetryLater, match="version 4 of the settings is not loaded yet"):
        await bench.write(1, definitions=4)
    bench.target.definitions_version = 5

    assert (await bench.write(1, definitions=4)).outcome == "applied"
    assert bench.version.definitions_version == 5


async def test_of_several_records_the_newest_counts_wherever_it_is(bench: Bench) -> None:
    await bench.sync.handle([an_event(1), an_event(3, 2), an_event(2, 1)])

    assert bench.target.number == 3


async def test_problems_become_reviews_and_are_resolved_once_they_are_over(bench: Bench) -> None:
    bench.target.problems, bench.target.settled = (a_problem("odd"),), (a_problem("even"),)
    await bench.write(1)
    assert bench.stored.open_reviews() == {"odd", "even"}
    assert bench.version.has_open_reviews
    bench.target.settled = ()

    await bench.write(2, later=1)
    assert bench.stored.open_reviews() == {"odd"}
    bench.target.problems = ()
    await bench.write(3, later=2)

    assert (bench.stored.open_reviews(), bench.version.has_open_reviews) == (set(), False)


async def test_a_problem_that_blocks_is_raised_once_the_steps_are_done_and_tried_again(bench: Bench) -> None:
    bench.target.problems = (a_problem("odd", blocks=True), a_problem("even"))

    with pytest.raises(NeedsReview, match="it is odd"):
        await bench.write(1)
    assert (bench.target.number, bench.stored.open_reviews()) == (1, {"even"})
    assert bench.version == Version(NOON, "1", blocked=True, has_open_reviews=True)
    bench.target.problems = ()

    assert (await bench.write(1)).outcome == "applied"
    assert bench.version == Version(NOON, "1")


async def test_what_waits_is_raised_once_the_steps_are_done(bench: Bench) -> None:
    bench.target.waits = Waiting("it is on hold", "release:1")

    with pytest.raises(Waiting, match="on hold"):
        await bench.write(1)

    assert bench.target.number == 1


async def test_what_a_person_must_decide_first_is_blocked(bench: Bench) -> None:
    bench.target.error = NeedsReview("no way", kind="odd", advice="look")

    with pytest.raises(NeedsReview):
        await bench.write(1)

    assert bench.version == Version(NOON, "1", blocked=True, has_open_reviews=True)
    assert [claim.state for claim in bench.stored.effects.values()] == ["failed"]


async def test_a_refused_call_becomes_a_review_and_is_tried_later(bench: Bench) -> None:
    bench.target.error, bench.target.refused = Rejected("a field is missing"), a_problem("refused")

    with pytest.raises(RetryLater, match="a field is missing"):
        await bench.write(1)
    assert (bench.stored.open_reviews(), bench.version.blocked) == ({"refused"}, True)
    assert bench.statements() == 2  # the claim; then all that follows from the refusal

    assert (await bench.write(1)).outcome == "applied"
    assert bench.stored.open_reviews() == set()


async def test_what_can_never_work_stays_rejected(bench: Bench) -> None:
    bench.target.error = Rejected("never")

    with pytest.raises(Rejected, match="never"):
        await bench.write(1)

    assert bench.stored.versions == {}


@pytest.mark.parametrize("after", [None, 20.0])
async def test_without_an_answer_nothing_remembered_counts_and_reads_must_catch_up(
    bench: Bench, after: float | None
) -> None:
    bench.target.error = OutcomeUnknown("no answer", after)

    with pytest.raises(OutcomeUnknown) as caught:
        await bench.write(1)

    assert (caught.value.after, bench.target.log[-1]) == (after or 7.0, "forget")


async def test_claims_of_calls_that_were_not_made_are_given_back(bench: Bench) -> None:
    bench.target.error = TargetDown("away")

    with pytest.raises(TargetDown):
        await bench.write(1)

    assert [claim.state for claim in bench.stored.effects.values()] == ["failed"]
    assert "forget" not in bench.target.log


async def test_a_record_that_was_taken_over_is_not_remembered(bench: Bench) -> None:
    async def sleep() -> None:
        bench.clock.advance(60)
        bench.taken_at_answer = bench.clock.now()

    bench.target.on_step = sleep
    with pytest.raises(TargetDown, match="took this record over"):
        await bench.write(1)

    assert bench.target.log[-1] == "forget"


async def test_what_an_attempt_that_was_cut_short_held_is_taken_up_by_the_next(bench: Bench) -> None:
    bench.target.error = asyncio.CancelledError()
    with pytest.raises(asyncio.CancelledError):
        await bench.write(1)
    assert bench.target.log[-1] == "forget"

    await bench.write(1)

    assert "raise, claimed: new" in bench.target.log[-3:]
    assert bench.statements() == 2  # the first attempt's claim, and the version


async def test_what_changes_all_the_time_is_left_alone_for_a_while(bench: Bench) -> None:
    bench.target.never_ends = True

    with pytest.raises(RetryLater, match="count 1001 kept changing in Target"):
        await bench.write(1)

    assert sum(one.startswith("plan") for one in bench.target.log) == 8


async def test_links_are_stored_before_the_last_steps(bench: Bench) -> None:
    bench.target.link = LinkPair("main", "count", "1001", "77")
    bench.target.error = TargetDown("away")

    with pytest.raises(TargetDown):
        await bench.write(1)

    assert bench.stored.links["main", "count", "1001"].heartland_id == "77"


@pytest.mark.parametrize("stops", [True, False])
async def test_a_link_that_contradicts_a_known_one_stops_the_record_or_becomes_a_problem(
    bench: Bench, stops: bool
) -> None:
    bench.target.link = LinkPair("main", "count", "1001", "77")
    await bench.write(1)
    bench.target.link = LinkPair("main", "count", "1001", "78")
    bench.target.conflict = None if stops else a_problem("odd")

    if stops:
        with pytest.raises(NeedsReview, match="linked to another"):
            await bench.write(2, later=1)
        assert bench.target.number == 1
    else:
        await bench.write(2, later=1)
        assert (bench.target.number, bench.stored.open_reviews()) == (2, {"odd"})


async def test_without_a_gate_every_event_is_applied_and_no_version_is_stored() -> None:
    bench = Bench(gated=False)
    await bench.write(1)
    bench.target.error = NeedsReview("no way", kind="odd", advice="look")
    with pytest.raises(NeedsReview):
        await bench.write(2, later=-1)

    assert (bench.stored.versions, bench.target.number) == ({}, 1)


async def test_a_connection_that_cannot_work_holds_its_records_and_a_person_is_told(bench: Bench) -> None:
    bench.target.open_error = Misconfigured("which location?")
    with pytest.raises(TargetDown, match="which location"):
        await bench.write(1)
    assert bench.stored.open_reviews() == {"connection_misconfigured"}
    bench.target.open_error = None

    await bench.write(1)

    assert bench.stored.open_reviews() == set()


@pytest.mark.parametrize(
    ("arrange", "expected"),
    [
        pytest.param({}, ("apply", ""), id="it would be written"),
        pytest.param({"problems": (a_problem("odd", blocks=True),)}, ("apply", "it is odd"), id="for a person"),
        pytest.param({"waits": Waiting("on hold", "x")}, ("apply", "on hold"), id="it would wait"),
        pytest.param({"error": TargetDown("away")}, ("apply", "away"), id="it cannot be told"),
    ],
)
async def test_a_preview_is_the_same_up_to_the_last_step(
    bench: Bench, arrange: dict[str, Any], expected: tuple[str, str]
) -> None:
    for name, value in arrange.items():
        setattr(bench.target, name, value)

    assert await bench.sync.preview(an_event(1).envelope.body) == expected
    assert (bench.stored.versions, bench.stored.reviews) == ({}, {})
    assert not [one for one in bench.target.log if one.startswith("publish")]


async def test_a_preview_says_what_the_gate_would_say(bench: Bench) -> None:
    await bench.write(1)

    assert await bench.sync.preview(an_event(1).envelope.body) == ("duplicate", "")


def test_a_problem_becomes_an_error_with_all_that_it_says() -> None:
    error: IntegrationError = a_problem("odd").error()

    assert isinstance(error, NeedsReview)
    assert (error.reason, error.kind, error.advice, error.details) == ("it is odd", "odd", "look", {"by": 1})
