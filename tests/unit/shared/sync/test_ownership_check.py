"""What a write makes sure of when its turn has come."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from shared.errors import TargetDown
from shared.state.ledger import Effect
from shared.sync.ownership_check import ClaimCheck, OwnershipCheck, renewed
from tests.support.clock import FakeClock
from tests.support.memory_ledger import MemoryLedger

PAY = Effect("main", "heartland", "order", "5001", "payment:1")


async def a_turn() -> tuple[ClaimCheck, MemoryLedger, FakeClock]:
    clock = FakeClock()
    ledger = MemoryLedger(clock)
    claim = await ledger.claim(PAY)
    return ClaimCheck(ledger, clock, PAY, claim), ledger, clock  # type: ignore[arg-type]


@pytest.mark.parametrize(("seconds", "attempts"), [(2.0, 1), (2.5, 2)])
async def test_a_claim_that_is_old_by_then_is_renewed(seconds: float, attempts: int) -> None:
    turn, _, clock = await a_turn()
    assert turn.at == clock.now()
    clock.advance(seconds)

    await turn.check()

    assert (turn.claim.state, turn.claim.attempts, turn.at) == ("new", attempts, clock.now())


async def test_a_renewed_claim_is_fresh_again() -> None:
    turn, ledger, clock = await a_turn()
    clock.advance(60)
    await turn.check()
    clock.advance(2)

    await turn.check()

    assert turn.claim.attempts == 2
    assert ledger.stored.effects[PAY.id].sent_at == turn.claim.sent_at


async def test_a_claim_that_another_has_by_then_is_not_sent() -> None:
    turn, ledger, clock = await a_turn()
    clock.advance(60)
    await ledger.again(PAY, turn.claim)

    with pytest.raises(TargetDown, match="payment:1 of 5001 is being settled elsewhere"):
        await turn.check()


async def test_a_claim_that_is_done_is_not_renewed() -> None:
    turn, ledger, _ = await a_turn()
    await ledger.done(PAY, {"id": 7})

    with pytest.raises(TargetDown):
        await renewed(ledger, PAY, turn.claim)  # type: ignore[arg-type]


class Partition:
    """Who asks since when it is ours."""

    def __init__(self, clock: FakeClock) -> None:
        self.taken: datetime | None = clock.now()
        self.asked = 0

    async def taken_at(self) -> datetime | None:
        self.asked += 1
        return self.taken


async def test_whose_a_record_is_is_asked_once_in_two_seconds() -> None:
    clock = FakeClock()
    partition = Partition(clock)
    ours = OwnershipCheck(partition.taken_at, clock)

    for seconds in (0, 2, 0.5, 2, 0.5):
        clock.advance(seconds)
        await ours.check()

    assert (partition.asked, ours.lost) == (2, False)


async def test_what_another_took_over_since_is_not_ours_any_more() -> None:
    clock = FakeClock()
    partition = Partition(clock)
    ours = OwnershipCheck(partition.taken_at, clock)
    clock.advance(30)
    partition.taken = clock.now() - timedelta(seconds=1)

    with pytest.raises(TargetDown, match="another process took this over"):
        await ours.check()

    assert ours.lost


async def test_where_partitions_have_no_owners_nothing_is_lost() -> None:
    clock = FakeClock()
    partition = Partition(clock)
    partition.taken = None
    owned_by_nobody, asks_nobody = OwnershipCheck(partition.taken_at, clock), OwnershipCheck(None, clock)
    clock.advance(30)

    await owned_by_nobody.check()
    await asks_nobody.check()

    assert (owned_by_nobody.lost, asks_nobody.lost) == (False, False)
