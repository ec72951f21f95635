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


class Harness:
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
async def harness() -> Harness:
    return Harness()


async def test_the_sequence_is_planned_again_until_the_target_matches(harness: Harness) -> None:
    result = await harness.write(2)

    assert harness.target.log == [
        "open", "desired", "actual", "plan from 0", "raise, claimed: new", "plan from 1", "raise, claimed: in_doubt",
        "settled", "publish 2 at live",
    ]  # fmt: skip
    assert (result.outcome, result.detail, harness.target.number) == ("applied", "2", 2)
    assert harness.version == Version(NOON, "2")


async def test_what_matches_takes_one_statement(harness: Harness) -> None:
    harness.target.number = 2

    await harness.write(2)

    assert (harness.statements(), harness.version) == (1, Version(NOON, "2"))


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
async def test_the_gate(harness: Harness, number: int, later: int, cause: str, outcome: str) -> None:
    await harness.write(1)
    harness.target.log.clear()

    assert (await harness.write(number, later=later, cause=cause)).outcome == outcome
    assert bool(harness.target.log) == (outcome == "applied")


async def test_an_echo_stands_for_its_moment_and_keeps_what_was_stored(harness: Harness) -> None:
    harness.target.definitions_version = 3
    harness.target.problems = (a_problem("odd"),)
    await harness.write(1)
    harness.target.definitions_version = 4

    await harness.write(1, later=2)

    assert harness.version == Version(NOON + 2 * LATER, "1", 3, has_open_reviews=True)
    assert (await harness.write(5, later=1)).outcome == "stale"


async def test_each_write_tells_with_which_definitions_it_was_made(harness: Harness) -> None:
    harness.target.definitions_version = 3
    await harness.write(1)
    assert harness.version.definitions_version == 3
    harness.target.definitions_version = 4

    assert (await harness.write(1)).outcome == "duplicate"
    assert harness.version.definitions_version == 3
    assert (await harness.write(1, cause="drift")).outcome == "applied"
    assert harness.version.definitions_version == 4


async def test_changed_definitions_are_reapplied_once(harness: Harness) -> None:
    harness.target.definitions_version = 3
    await harness.write(1)
    harness.target.definitions_version = 4

    assert (await harness.write(1, definitions=4)).outcome == "applied"
    assert (await harness.write(1, definitions=4)).outcome == "duplicate"
    assert (await harness.write(1, later=-1, definitions=4)).outcome == "stale"
    assert harness.version.definitions_version == 4


async def test_a_reapply_waits_until_its_version_of_the_settings_is_loaded(harness: Harness) -> None:
    harness.target.definitions_version = 3
    await harness.write(1)

    with pytest.raises(RetryLater, match="version 4 of the settings is not loaded yet"):
        await harness.write(1, definitions=4)
    harness.target.definitions_version = 5

    assert (await harness.write(1, definitions=4)).outcome == "applied"
    assert harness.version.definitions_version == 5


async def test_of_several_records_the_newest_counts_wherever_it_is(harness: Harness) -> None:
    await harness.sync.handle([an_event(1), an_event(3, 2), an_event(2, 1)])

    assert harness.target.number == 3


async def test_problems_become_reviews_and_are_resolved_once_they_are_over(harness: Harness) -> None:
    harness.target.problems, harness.target.settled = (a_problem("odd"),), (a_problem("even"),)
    await harness.write(1)
    assert harness.stored.open_reviews() == {"odd", "even"}
    assert harness.version.has_open_reviews
    harness.target.settled = ()

    await harness.write(2, later=1)
    assert harness.stored.open_reviews() == {"odd"}
    harness.target.problems = ()
    await harness.write(3, later=2)

    assert (harness.stored.open_reviews(), harness.version.has_open_reviews) == (set(), False)


async def test_a_problem_that_blocks_is_raised_once_the_steps_are_done_and_tried_again(harness: Harness) -> None:
    harness.target.problems = (a_problem("odd", blocks=True), a_problem("even"))

    with pytest.raises(NeedsReview, match="it is odd"):
        await harness.write(1)
    assert (harness.target.number, harness.stored.open_reviews()) == (1, {"even"})
    assert harness.version == Version(NOON, "1", blocked=True, has_open_reviews=True)
    harness.target.problems = ()

    assert (await harness.write(1)).outcome == "applied"
    assert harness.version == Version(NOON, "1")


async def test_what_waits_is_raised_once_the_steps_are_done(harness: Harness) -> None:
    harness.target.waits = Waiting("it is on hold", "release:1")

    with pytest.raises(Waiting, match="on hold"):
        await harness.write(1)

    assert harness.target.number == 1


async def test_what_a_person_must_decide_first_is_blocked(harness: Harness) -> None:
    harness.target.error = NeedsReview("no way", kind="odd", advice="look")

    with pytest.raises(NeedsReview):
        await harness.write(1)

    assert harness.version == Version(NOON, "1", blocked=True, has_open_reviews=True)
    assert [claim.state for claim in harness.stored.effects.values()] == ["failed"]


async def test_a_refused_call_becomes_a_review_and_is_tried_later(harness: Harness) -> None:
    harness.target.error, harness.target.refused = Rejected("a field is missing"), a_problem("refused")

    with pytest.raises(RetryLater, match="a field is missing"):
        await harness.write(1)
    assert (harness.stored.open_reviews(), harness.version.blocked) == ({"refused"}, True)
    assert harness.statements() == 2  # the claim; then all that follows from the refusal

    assert (await harness.write(1)).outcome == "applied"
    assert harness.stored.open_reviews() == set()


async def test_what_can_never_work_stays_rejected(harness: Harness) -> None:
    harness.target.error = Rejected("never")

    with pytest.raises(Rejected, match="never"):
        await harness.write(1)

    assert harness.stored.versions == {}


@pytest.mark.parametrize("after", [None, 20.0])
async def test_without_an_answer_nothing_remembered_counts_and_reads_must_catch_up(
    harness: Harness, after: float | None
) -> None:
    harness.target.error = OutcomeUnknown("no answer", after)

    with pytest.raises(OutcomeUnknown) as caught:
        await harness.write(1)

    assert (caught.value.after, harness.target.log[-1]) == (after or 7.0, "forget")


async def test_claims_of_calls_that_were_not_made_are_given_back(harness: Harness) -> None:
    harness.target.error = TargetDown("away")

    with pytest.raises(TargetDown):
        await harness.write(1)

    assert [claim.state for claim in harness.stored.effects.values()] == ["failed"]
    assert "forget" not in harness.target.log


async def test_a_record_that_was_taken_over_is_not_remembered(harness: Harness) -> None:
    async def sleep() -> None:
        harness.clock.advance(60)
        harness.taken_at_answer = harness.clock.now()

    harness.target.on_step = sleep
    with pytest.raises(TargetDown, match="took this record over"):
        await harness.write(1)

    assert harness.target.log[-1] == "forget"


async def test_what_an_attempt_that_was_cut_short_held_is_taken_up_by_the_next(harness: Harness) -> None:
    harness.target.error = asyncio.CancelledError()
    with pytest.raises(asyncio.CancelledError):
        await harness.write(1)
    assert harness.target.log[-1] == "forget"

    await harness.write(1)

    assert "raise, claimed: new" in harness.target.log[-3:]
    assert harness.statements() == 2  # the first attempt's claim, and the version


async def test_what_changes_all_the_time_is_left_alone_for_a_while(harness: Harness) -> None:
    harness.target.never_ends = True

    with pytest.raises(RetryLater, match="count 1001 kept changing in Target"):
        await harness.write(1)

    assert sum(one.startswith("plan") for one in harness.target.log) == 8


async def test_links_are_stored_before_the_last_steps(harness: Harness) -> None:
    harness.target.link = LinkPair("main", "count", "1001", "77")
    harness.target.error = TargetDown("away")

    with pytest.raises(TargetDown):
        await harness.write(1)

    assert harness.stored.links["main", "count", "1001"].heartland_id == "77"


@pytest.mark.parametrize("stops", [True, False])
async def test_a_link_that_contradicts_a_known_one_stops_the_record_or_becomes_a_problem(
    harness: Harness, stops: bool
) -> None:
    harness.target.link = LinkPair("main", "count", "1001", "77")
    await harness.write(1)
    harness.target.link = LinkPair("main", "count", "1001", "78")
    harness.target.conflict = None if stops else a_problem("odd")

    if stops:
        with pytest.raises(NeedsReview, match="linked to another"):
            await harness.write(2, later=1)
        assert harness.target.number == 1
    else:
        await harness.write(2, later=1)
        assert (harness.target.number, harness.stored.open_reviews()) == (2, {"odd"})


async def test_without_a_gate_every_event_is_applied_and_no_version_is_stored() -> None:
    harness = Harness(gated=False)
    await harness.write(1)
    harness.target.error = NeedsReview("no way", kind="odd", advice="look")
    with pytest.raises(NeedsReview):
        await harness.write(2, later=-1)

    assert (harness.stored.versions, harness.target.number) == ({}, 1)


async def test_a_connection_that_cannot_work_holds_its_records_and_a_person_is_told(harness: Harness) -> None:
    harness.target.open_error = Misconfigured("which location?")
    with pytest.raises(TargetDown, match="which location"):
        await harness.write(1)
    assert harness.stored.open_reviews() == {"connection_misconfigured"}
    harness.target.open_error = None

    await harness.write(1)

    assert harness.stored.open_reviews() == set()


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
    harness: Harness, arrange: dict[str, Any], expected: tuple[str, str]
) -> None:
    for name, value in arrange.items():
        setattr(harness.target, name, value)

    assert await harness.sync.preview(an_event(1).envelope.body) == expected
    assert (harness.stored.versions, harness.stored.reviews) == ({}, {})
    assert not [one for one in harness.target.log if one.startswith("publish")]


async def test_a_preview_says_what_the_gate_would_say(harness: Harness) -> None:
    await harness.write(1)

    assert await harness.sync.preview(an_event(1).envelope.body) == ("duplicate", "")


def test_a_problem_becomes_an_error_with_all_that_it_says() -> None:
    error: IntegrationError = a_problem("odd").error()

    assert isinstance(error, NeedsReview)
    assert (error.reason, error.kind, error.advice, error.details) == ("it is odd", "odd", "look", {"by": 1})
