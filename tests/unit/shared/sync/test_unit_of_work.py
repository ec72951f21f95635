"""What a record's write has learnt and not stored yet."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.errors import NeedsReview, TargetDown
from shared.state.atomic_write import LinkPair, VersionMark, WriteAnswer, WriteSet
from shared.state.ledger import Effect
from shared.state.reviews import ReviewClosing, ReviewOpening
from shared.state.versions import Version
from shared.sync.unit_of_work import UnitOfWork
from tests.support.clock import FakeClock
from tests.support.memory_ledger import MemoryLedger
from tests.support.memory_state import MemoryAtomicWriter, Points, Stored

ABOUT = ("acme", "order", "5001")
CREATE = Effect("acme", "heartland", "order", "5001", "order:create")
PAY = Effect("acme", "heartland", "order", "5001", "payment:1")
PAIR = LinkPair("acme", "order", "5001", "77")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Writer:
    """Remembers each set that it wrote; `away` makes it fail."""

    def __init__(self) -> None:
        clock, stored = FakeClock(), Stored()
        self.ledger = MemoryLedger(clock, stored)
        self._real = MemoryAtomicWriter(stored, self.ledger, Points())
        self.sets: list[WriteSet] = []
        self.away = False
        self.conflict: NeedsReview | None = None

    async def write(self, write_set: WriteSet) -> WriteAnswer:
        if self.away:
            raise TargetDown("the database is away")
        self.sets.append(write_set)
        answer = await self._real.write(write_set)
        if self.conflict:
            answer.conflicts.append((PAIR, self.conflict))
        return answer

    def state(self, effect: Effect) -> str:
        return self.ledger.stored.effects[effect.id].state


@pytest.fixture
def writer() -> Writer:
    return Writer()


@pytest.fixture
def work(writer: Any) -> UnitOfWork:
    return UnitOfWork(ABOUT, writer)


async def test_claims_are_made_together_and_only_once(work: UnitOfWork, writer: Writer) -> None:
    await work.claim({CREATE: None, PAY: {"amount": "1"}})
    await work.claim({PAY: None})

    [made] = writer.sets
    assert dict(made.claims) == {CREATE: None, PAY: {"amount": "1"}}
    assert {effect: claim.state for effect, claim in work.held.items()} == {CREATE: "new", PAY: "new"}


async def test_a_claim_is_used_once_and_made_where_none_is_held(work: UnitOfWork, writer: Writer) -> None:
    await work.claim({CREATE: None})

    assert (await work.claimed(CREATE)).state == "new"
    assert (await work.claimed(PAY, {"a": 1})).result == {"a": 1}
    assert work.held == {}
    assert len(writer.sets) == 2


async def test_everything_is_stored_with_the_next_claim(work: UnitOfWork, writer: Writer) -> None:
    await work.claim({CREATE: None})
    await work.claimed(CREATE)
    work.done[CREATE] = {"id": "77"}
    work.links.append(PAIR)

    await work.claim({PAY: None})

    [_, stored] = writer.sets
    assert [(one.effect, one.result) for one in stored.outcomes] == [(CREATE, {"id": "77"})]
    assert (list(stored.links), stored.about) == ([PAIR], ABOUT)
    assert (work.done, work.links) == ({}, [])
    assert writer.state(CREATE) == "done"


async def test_version_and_reviews_go_into_the_same_statement(work: UnitOfWork, writer: Writer) -> None:
    work.done[CREATE] = {"id": "77"}
    mark = VersionMark(*ABOUT, "heartland", Version(NOON, "a"))
    opening = ReviewOpening("acme", "overpaid", "order", "5001", "t", "a", {})
    closing = ReviewClosing("acme", "order", "5001", ("extra_lines",))

    await work.store(versions=[mark], openings=[opening], closings=[closing])

    [stored] = writer.sets
    assert (stored.versions, stored.openings, stored.closings) == ([mark], [opening], [closing])
    assert len(stored.outcomes) == 1


async def test_nothing_to_store_takes_no_statement(work: UnitOfWork, writer: Writer) -> None:
    await work.store()
    await work.store(give_back=True)
    await work.claim({})

    assert writer.sets == []


async def test_what_is_held_is_given_back_and_what_is_in_doubt_stays_so(work: UnitOfWork, writer: Writer) -> None:
    await writer.ledger.claim(PAY)
    await work.claim({CREATE: None, PAY: None})

    await work.store(give_back=True)

    assert (writer.state(CREATE), writer.state(PAY)) == ("failed", "in_doubt")
    assert not work.is_unstored


async def test_a_claim_that_another_took_over_is_not_freed(work: UnitOfWork, writer: Writer) -> None:
    await work.claim({CREATE: None})
    seen, clock = work.held[CREATE], writer.ledger._clock
    clock.advance(60)  # type: ignore[attr-defined]
    await writer.ledger.again(CREATE, seen)

    await work.store(give_back=True)

    assert writer.state(CREATE) == "in_doubt"


async def test_what_is_not_needed_is_released_with_the_next_statement(work: UnitOfWork, writer: Writer) -> None:
    await work.claim({CREATE: None, PAY: None})
    work.done[PAY] = {"id": "1"}
    work.release([CREATE, PAY, Effect("acme", "heartland", "order", "5001", "other")])
    assert (work.held, [effect for effect, _ in work.unused]) == ({}, [CREATE])

    await work.store()

    assert (writer.state(CREATE), writer.state(PAY)) == ("failed", "done")


@pytest.mark.parametrize("give_back", [False, True])
async def test_what_could_not_be_stored_is_still_to_be_stored(
    work: UnitOfWork, writer: Writer, give_back: bool
) -> None:
    await work.claim({PAY: None})
    work.done[CREATE] = {"id": "77"}
    work.links.append(PAIR)
    writer.away = True
    with pytest.raises(TargetDown):
        await work.store(give_back=give_back)
    assert (work.is_unstored, list(work.held), list(work.done), work.links) == (True, [PAY], [CREATE], [PAIR])
    writer.away = False

    await work.store(give_back=True)

    assert (writer.state(PAY), writer.state(CREATE), work.is_unstored) == ("failed", "done", False)


async def test_links_that_contradict_known_ones_are_kept_for_whoever_handles_them(
    work: UnitOfWork, writer: Writer
) -> None:
    writer.conflict = NeedsReview("linked to another", kind="link_conflict", advice="Compare them.")
    work.links.append(PAIR)

    await work.store()

    assert work.conflicts == [(PAIR, writer.conflict)]


@pytest.mark.parametrize(("taken", "last"), [(None, 0), (-60, 0), (60, 60)])
async def test_what_was_claimed_may_have_been_sent_until_the_record_changed_hands(
    work: UnitOfWork, taken: int | None, last: int
) -> None:
    async def taken_at() -> datetime | None:
        return None if taken is None else NOON + timedelta(seconds=taken)

    assert await work.last_sent(NOON) == NOON
    work.taken_at = taken_at
    assert await work.last_sent(NOON) == NOON + timedelta(seconds=last)
