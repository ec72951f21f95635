"""What the ledger allows to be sent, and when."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.errors import OutcomeUnknown, Rejected, RetryLater, TargetDown
from shared.limits.call_context import PreSendCheck
from shared.state.ledger import Claim, Effect
from shared.sync import create_once as once
from shared.sync.create_once import Created, CreateHistory, CreateOnce, ReadLag
from shared.sync.ownership_check import OwnershipLost
from shared.sync.unit_of_work import UnitOfWork
from tests.support.clock import FakeClock
from tests.support.memory_ledger import MemoryLedger
from tests.support.memory_state import START, MemoryAtomicWriter, Points, Stored

PAY = Effect("acme", "heartland", "order", "5001", "payment:1")


class Two:
    """Two processes over one ledger."""

    def __init__(self) -> None:
        self.clock, self.stored, points = FakeClock(START), Stored(), Points()
        self.ledger = MemoryLedger(self.clock, self.stored, points.at)
        self.writer: Any = MemoryAtomicWriter(self.stored, self.ledger, points)
        self.mine, self.theirs = (CreateOnce(self.ledger, self.clock) for _ in range(2))  # type: ignore[arg-type]
        self.work = UnitOfWork(("acme", "order", "5001"), self.writer)
        self.sent: list[str] = []
        # What happens elsewhere meanwhile. A send during which something does gets no answer.
        self.on_look_up: Callable[[], Awaitable[None]] | None = None
        self.on_send: Callable[[], Awaitable[None]] | None = None
        self.on_turn: Callable[[], Awaitable[None]] | None = None

    async def claim(self) -> None:
        await self.work.claim({PAY: None})

    async def create(self, once: CreateOnce, work: UnitOfWork | None = None) -> None:
        async def send(turn: PreSendCheck) -> str:
            if once is self.mine and self.on_turn is not None:
                self.clock.advance(60)
                await self.on_turn()
            await turn()
            self.sent.append("mine" if once is self.mine else "theirs")
            if self.on_send is not None:
                await self.on_send()
                raise OutcomeUnknown("broke")
            return "7"

        async def find() -> None:
            if self.on_look_up is not None:
                await self.on_look_up()

        await once(PAY, send, find, ReadLag(1.0), work=work)


async def test_a_claim_made_with_others_is_used_and_its_outcome_waits() -> None:
    two = Two()
    await two.claim()

    await two.create(two.mine, two.work)

    assert two.work.done == {PAY: {"id": "7"}}
    assert two.work.held == {}


async def test_what_is_seen_to_be_there_is_in_doubt_no_longer() -> None:
    two = Two()
    await two.mine.seen(PAY, "5")
    assert two.stored.effects == {}
    await two.claim()

    await two.theirs.seen(PAY, "5")
    await two.theirs.seen(PAY, "6")

    [claim] = two.stored.effects.values()
    assert (claim.state, claim.result) == ("done", {"id": "5"})


async def test_who_waited_too_long_with_a_claim_does_not_send_what_another_took_over() -> None:
    two = Two()
    await two.claim()
    two.clock.advance(60)
    await two.create(two.theirs)

    with pytest.raises(TargetDown, match="settled elsewhere"):
        await two.create(two.mine, two.work)

    assert two.sent == ["theirs"]


async def test_who_waited_long_alone_sends_under_a_later_claim() -> None:
    two = Two()
    await two.claim()
    two.clock.advance(60)

    await two.create(two.mine, two.work)

    assert two.sent == ["mine"]
    assert two.stored.effects[PAY.id].sent_at == two.clock.now()


async def test_an_answer_that_came_after_the_look_up_counts() -> None:
    two = Two()
    await two.claim()
    two.clock.advance(60)
    two.on_look_up = lambda: two.ledger.done(PAY, {"id": "7"})

    with pytest.raises(TargetDown, match="settled elsewhere"):
        await two.create(two.theirs)

    assert two.sent == []
    assert two.stored.effects[PAY.id].state == "done"


async def test_a_call_that_ends_without_an_answer_leaves_done_what_another_found() -> None:
    two = Two()
    two.on_send = lambda: two.ledger.done(PAY, {"id": "7"})

    with pytest.raises(OutcomeUnknown):
        await two.create(two.mine)

    assert two.stored.effects[PAY.id].state == "done"


@pytest.mark.parametrize("given_back", [False, True])
async def test_who_is_late_does_not_free_what_another_is_sending(given_back: bool) -> None:
    two = Two()
    await two.claim()
    seen = two.stored.effects[PAY.id]
    two.clock.advance(1)

    async def taken_over() -> None:
        await two.ledger.again(PAY, seen)
        raise TargetDown("the breaker is open")

    if given_back:
        await two.ledger.again(PAY, seen)
        await two.work.store(give_back=True)
    else:
        two.on_send = taken_over
        with pytest.raises(TargetDown):
            await two.create(two.mine, two.work)

    assert two.stored.effects[PAY.id].state == "in_doubt"


async def test_a_claim_that_was_not_used_is_given_back() -> None:
    two = Two()
    await two.claim()

    await two.work.store(give_back=True)
    await two.create(two.theirs)

    assert two.sent == ["theirs"]


class One:
    """One process; `answers` is what Heartland says to each send, `shown` what a look-up finds."""

    def __init__(self, *answers: str | Exception | None, shown: str | None = None) -> None:
        self.clock, self.stored = FakeClock(START), Stored()
        self.ledger = MemoryLedger(self.clock, self.stored)
        self.writer: Any = MemoryAtomicWriter(self.stored, self.ledger, Points())
        self.once = CreateOnce(self.ledger, self.clock)  # type: ignore[arg-type]
        self.answers = list(answers)
        self.shown = shown
        self.sends = self.looks = 0
        self.look_seconds = self.queue_seconds = 0.0
        self.call_seconds: float | None = None

    async def create(self, work: UnitOfWork | None = None) -> Created:
        return await self.once(PAY, self._send, self._find, ReadLag(10.0, self.call_seconds), work=work)

    async def _send(self, turn: PreSendCheck) -> str | None:
        self.clock.advance(self.queue_seconds)
        await turn()
        self.sends += 1
        self.clock.advance(1)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def _find(self) -> str | None:
        self.looks += 1
        self.clock.advance(self.look_seconds)
        return self.shown

    @property
    def claim(self) -> Claim:
        return self.stored.effects[PAY.id]


async def test_what_is_made_is_noted_with_its_id_and_known_from_then_on() -> None:
    one = One("7")

    assert await one.create() == Created("7", False, START)
    one.clock.advance(60)
    assert await one.create() == Created("7", True, START)

    assert (one.sends, one.looks) == (1, 0)
    assert (one.claim.state, one.claim.result) == ("done", {"id": "7"})


@pytest.mark.parametrize("error", [Rejected("no"), RetryLater("too large"), TargetDown("away")], ids=repr)
async def test_what_was_certainly_not_made_may_be_sent_anew_at_once(error: Exception) -> None:
    one = One(error, "7")

    with pytest.raises(type(error)):
        await one.create()
    assert one.claim.state == "failed"
    assert (await one.create()).id == "7"
    assert one.looks == 0


async def test_without_an_answer_it_is_in_doubt_from_that_moment() -> None:
    one = One(OutcomeUnknown("broke"))

    with pytest.raises(OutcomeUnknown):
        await one.create()

    assert (one.claim.state, one.claim.sent_at) == ("in_doubt", one.clock.now())


async def test_a_doubt_is_settled_by_what_is_found() -> None:
    one = One(OutcomeUnknown("broke"))
    with pytest.raises(OutcomeUnknown):
        await one.create()
    one.shown = "7"
    sent_at = one.claim.sent_at
    one.clock.advance(3)

    assert await one.create() == Created("7", True, sent_at)
    assert (one.claim.state, one.claim.result) == ("done", {"id": "7"})
    assert (one.sends, one.looks) == (1, 1)


async def test_what_is_not_found_is_sent_again_once_it_would_show_and_not_before() -> None:
    one = One(OutcomeUnknown("broke"), "7")
    with pytest.raises(OutcomeUnknown):
        await one.create()
    one.clock.advance(6)

    with pytest.raises(TargetDown) as early:
        await one.create()
    assert early.value.after == 4.0
    assert one.sends == 1

    one.clock.advance(4)
    assert await one.create() == Created("7", False, one.clock.now() - timedelta(seconds=1))
    assert one.claim.attempts == 3


async def test_a_look_up_tells_of_the_moment_when_it_began() -> None:
    one = One(OutcomeUnknown("broke"))
    with pytest.raises(OutcomeUnknown):
        await one.create()
    one.clock.advance(9)
    one.look_seconds = 5

    with pytest.raises(TargetDown) as early:
        await one.create()

    assert early.value.after == 1.0


async def test_the_process_before_may_have_sent_until_this_one_began() -> None:
    one = One("7")
    await one.ledger.claim(PAY)
    one.clock.advance(30)
    one.once = CreateOnce(one.ledger, one.clock)  # type: ignore[arg-type]

    with pytest.raises(TargetDown) as early:
        await one.create()

    assert early.value.after == 10.0
    one.clock.advance(10)
    assert (await one.create()).id == "7"


async def test_who_is_not_told_the_id_looks_for_it() -> None:
    one = One(None, shown="7")

    assert await one.create() == Created("7", False, START)
    assert one.claim.result == {"id": "7"}


async def test_who_is_not_told_the_id_and_finds_none_is_in_doubt() -> None:
    one = One(None)

    with pytest.raises(OutcomeUnknown):
        await one.create()

    assert one.claim.state == "in_doubt"


@pytest.mark.parametrize(("seconds", "attempts"), [(2.0, 1), (2.5, 2)])
async def test_a_claim_that_waited_long_for_its_call_is_renewed(seconds: float, attempts: int) -> None:
    one = One("7")
    work = UnitOfWork(("acme", "order", "5001"), one.writer)
    work.held[PAY] = await one.ledger.claim(PAY)
    one.clock.advance(seconds)

    await one.create(work)

    assert one.claim.attempts == attempts


async def test_who_waited_long_for_its_turn_sends_nothing_that_another_took_over_meanwhile() -> None:
    two = Two()
    two.on_turn = lambda: two.create(two.theirs)

    with pytest.raises(TargetDown, match="settled elsewhere"):
        await two.create(two.mine)

    assert two.sent == ["theirs"]
    assert two.stored.effects[PAY.id].state == "done"


async def test_the_doubt_of_others_counts_from_when_the_call_got_its_turn() -> None:
    one = One("7")
    one.queue_seconds = 40

    made = await one.create()

    assert (made.sent_at, one.claim.sent_at) == (START + timedelta(seconds=40), START + timedelta(seconds=40))


async def test_what_others_may_create_too_may_be_under_way_for_as_long_as_a_call_takes() -> None:
    one = One("7")
    one.call_seconds = 30
    await one.ledger.claim(PAY)

    one.clock.advance(41.5)
    with pytest.raises(TargetDown) as early:
        await one.create()
    assert early.value.after == 0.5

    one.clock.advance(0.5)
    assert (await one.create()).id == "7"


async def test_what_others_are_making_is_looked_for_again_before_it_must_show() -> None:
    one = One("7")
    one.call_seconds = 30
    await one.ledger.claim(PAY)

    with pytest.raises(TargetDown) as early:
        await one.create()

    assert early.value.after == 10.0


@pytest.mark.parametrize("answer", [OutcomeUnknown("broke"), None], ids=repr)
async def test_a_call_of_our_own_that_is_over_is_not_under_way(answer: Exception | None) -> None:
    one = One(answer, "7")
    one.call_seconds = 30
    with pytest.raises(OutcomeUnknown):
        await one.create()

    one.clock.advance(10)

    assert (await one.create()).id == "7"


async def test_what_is_remembered_of_calls_that_are_over_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(once, "_REMEMBERED", 1)
    one, lost = One("7", "8"), OutcomeUnknown("broke")
    other = Effect("acme", "heartland", "order", "5001", "payment:2")

    async def send(turn: PreSendCheck) -> str:
        raise lost

    for effect in (PAY, other):
        with pytest.raises(OutcomeUnknown):
            await one.once(effect, send, one._find, ReadLag(10.0))

    assert list(one.once._over) == [other.id]


async def test_what_is_made_must_show_when_the_call_and_the_lag_are_over() -> None:
    one, made = One(), Created("7", True, START)

    one.clock.advance(41.5)
    assert not one.once.must_show(made, ReadLag(10.0, 30.0))
    one.clock.advance(0.5)
    assert one.once.must_show(made, ReadLag(10.0, 30.0))


async def test_who_is_not_told_the_id_is_in_doubt_from_that_moment() -> None:
    one = One(None)
    one.queue_seconds = 2

    with pytest.raises(OutcomeUnknown):
        await one.create()

    assert one.claim.sent_at == one.clock.now()


async def test_a_claim_that_nobody_holds_is_made_with_the_notes() -> None:
    one = One("7")
    work = UnitOfWork(("acme", "order", "5001"), one.writer)

    made = await one.create(work)

    assert (made.id, work.done) == ("7", {PAY: {"id": "7"}})
    assert one.claim.state == "in_doubt"


async def test_the_history_of_an_aggregate_is_its_last_call_and_its_doubts() -> None:
    one = One()
    assert await one.once.history("acme", "order", "5001") == CreateHistory(None, {})

    await one.ledger.claim(PAY)
    claim = one.claim
    one.clock.advance(5)
    other = Effect("acme", "heartland", "order", "5001", "payment:2")
    await one.ledger.claim(other)
    await one.ledger.done(other, {"id": "1"})

    assert await one.once.history("acme", "order", "5001") == CreateHistory(one.clock.now(), {"payment:1": claim})


async def test_what_is_made_keeps_what_it_was_claimed_with() -> None:
    one = One("7")

    await one.once(PAY, one._send, one._find, ReadLag(10.0), intent={"parts": [1]})

    assert one.claim.result == {"parts": [1], "id": "7"}


async def test_what_is_found_keeps_what_it_was_claimed_with() -> None:
    one = One(shown="7")
    await one.ledger.claim(PAY, {"parts": [1]})

    await one.create()

    assert one.claim.result == {"parts": [1], "id": "7"}


# A call that is not to be repeated as it was: it is settled, not created.


async def doubted(one: One) -> Claim:
    await one.ledger.claim(PAY, {"parts": [1]})
    return one.claim


def work_of(one: One) -> UnitOfWork:
    return UnitOfWork(("acme", "order", "5001"), one.writer)


async def test_a_call_in_doubt_that_is_found_is_done() -> None:
    one = One(shown="7")
    claim = await doubted(one)

    assert await one.once.settle(PAY, claim, one._find, ReadLag(10.0), work_of(one)) == Created("7", True, START)

    assert (one.claim.state, one.claim.result) == ("done", {"parts": [1], "id": "7"})


async def test_a_call_in_doubt_is_given_back_once_it_would_show_and_not_before() -> None:
    one = One()
    claim = await doubted(one)
    one.clock.advance(9)

    with pytest.raises(TargetDown) as early:
        await one.once.settle(PAY, claim, one._find, ReadLag(10.0), work_of(one))
    assert (early.value.after, one.claim.state) == (1.0, "in_doubt")

    one.clock.advance(1)
    assert await one.once.settle(PAY, claim, one._find, ReadLag(10.0), work_of(one)) is None
    assert (one.claim.state, one.sends) == ("failed", 0)


async def test_a_former_owners_call_may_have_waited_for_its_turn_until_the_record_changed_hands() -> None:
    one, work = One(), work_of(One())
    claim = await doubted(one)
    one.clock.advance(60)
    taken_at = one.clock.now()
    one.clock.advance(4)

    async def taken() -> datetime:
        return taken_at

    work.taken_at = taken
    with pytest.raises(TargetDown) as early:
        await one.once.settle(PAY, claim, one._find, ReadLag(10.0), work)

    assert early.value.after == 6.0


async def test_a_call_in_doubt_that_another_process_sends_again_is_not_given_back() -> None:
    one = One()
    claim = await doubted(one)
    one.clock.advance(10)
    await one.ledger.again(PAY, claim)

    with pytest.raises(OwnershipLost, match="settled elsewhere"):
        await one.once.settle(PAY, claim, one._find, ReadLag(10.0), work_of(one))

    assert one.claim.state == "in_doubt"


async def test_of_two_that_find_nothing_at_the_same_moment_one_sends() -> None:
    """Reads are current, and the claim is fresh: only its renewal tells them apart."""
    one = One("7")
    await one.ledger.claim(PAY)
    seen = one.claim
    one.clock.advance(1)

    async def find() -> None:
        await one.ledger.again(PAY, seen)

    with pytest.raises(OwnershipLost):
        await one.once(PAY, one._send, find, ReadLag(0.0))

    assert one.sends == 0


async def test_a_claim_in_doubt_that_is_sent_again_is_renewed_first() -> None:
    one = One("7")
    await one.ledger.claim(PAY)

    await one.once(PAY, one._send, one._find, ReadLag(0.0))

    assert one.claim.attempts == 2
