"""What a write proves just before it goes out."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.errors import TargetDown
from shared.state.ledger import Effect
from shared.sync.ownership_check import ClaimOwnership, OwnershipCheck, OwnershipLost, PartitionOwnership, both
from tests.support.clock import FakeClock
from tests.support.memory_ledger import MemoryLedger

PAY = Effect("main", "heartland", "order", "5001", "payment:1")


class Claimed:
    """A claim made now, and the check of it."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.memory = MemoryLedger(self.clock)

    async def check(self) -> OwnershipCheck:
        ledger: Any = self.memory
        self.ownership = ClaimOwnership(ledger, PAY, await self.memory.claim(PAY))
        return OwnershipCheck(self.ownership, self.clock, self.ownership.claim.sent_at)


@pytest.mark.parametrize(("seconds", "attempts"), [(2.0, 1), (2.5, 2)])
async def test_a_claim_that_is_old_by_then_is_renewed(seconds: float, attempts: int) -> None:
    claimed = Claimed()
    check = await claimed.check()
    assert check.checked_at == claimed.clock.now()
    claimed.clock.advance(seconds)

    await check.check()

    claim = claimed.ownership.claim
    assert (claim.state, claim.attempts, check.checked_at) == ("new", attempts, claimed.clock.now())


async def test_a_claim_made_long_ago_is_renewed_although_its_check_is_new() -> None:
    claimed = Claimed()
    await claimed.check()
    claimed.clock.advance(60)
    check = OwnershipCheck(claimed.ownership, claimed.clock, claimed.ownership.claim.sent_at)

    await check.check()

    assert claimed.ownership.claim.attempts == 2


async def test_a_renewed_claim_is_fresh_again() -> None:
    claimed = Claimed()
    check = await claimed.check()
    claimed.clock.advance(60)
    await check.check()
    claimed.clock.advance(2)

    await check.check()

    assert claimed.ownership.claim.attempts == 2
    assert claimed.memory.stored.effects[PAY.id].sent_at == claimed.ownership.claim.sent_at


async def test_a_claim_that_another_has_by_then_is_not_sent() -> None:
    claimed = Claimed()
    check = await claimed.check()
    claimed.clock.advance(60)
    await claimed.memory.again(PAY, claimed.ownership.claim)

    with pytest.raises(OwnershipLost, match="payment:1 of 5001 is being settled elsewhere"):
        await check.check()

    assert check.lost


async def test_a_claim_that_is_done_is_not_renewed() -> None:
    claimed = Claimed()
    await claimed.check()
    await claimed.memory.done(PAY, {"id": "7"})

    with pytest.raises(TargetDown):
        await claimed.ownership.prove()


class Partition:
    """Answers since when it is ours."""

    def __init__(self, clock: FakeClock) -> None:
        self.taken: datetime | None = clock.now()
        self.asked = 0
        self.away = False

    async def taken_at(self) -> datetime | None:
        self.asked += 1
        if self.away:
            raise TargetDown("the database is away")
        return self.taken


def owned(partition: Partition, clock: FakeClock) -> OwnershipCheck:
    return OwnershipCheck(PartitionOwnership(partition.taken_at, clock), clock)


async def test_whose_a_record_is_is_asked_once_in_two_seconds() -> None:
    clock = FakeClock()
    partition = Partition(clock)
    check = owned(partition, clock)

    for seconds in (0, 2, 0.5, 2, 0.5):
        clock.advance(seconds)
        await check.check()

    assert (partition.asked, check.lost) == (2, False)


async def test_what_another_took_over_since_is_not_ours_any_more() -> None:
    clock = FakeClock()
    partition = Partition(clock)
    check = owned(partition, clock)
    clock.advance(30)
    partition.taken = clock.now() - timedelta(seconds=1)

    with pytest.raises(OwnershipLost, match="another process took this record over"):
        await check.check()

    assert check.lost


async def test_what_cannot_be_asked_is_not_lost_and_asked_again() -> None:
    clock = FakeClock()
    partition = Partition(clock)
    check = owned(partition, clock)
    clock.advance(30)
    partition.away = True
    for _ in range(2):
        with pytest.raises(TargetDown, match="database"):
            await check.check()

    assert (partition.asked, check.lost) == (2, False)


async def test_where_partitions_have_no_owners_nothing_is_lost() -> None:
    clock = FakeClock()
    partition = Partition(clock)
    partition.taken = None
    by_nobody, unasked = owned(partition, clock), OwnershipCheck(PartitionOwnership(None, clock), clock)
    clock.advance(30)

    await by_nobody.check()
    await unasked.check()

    assert (by_nobody.lost, unasked.lost) == (False, False)


@pytest.mark.parametrize("fails", ["first", "second", ""])
async def test_of_two_checks_both_run_and_either_keeps_the_write_from_going_out(fails: str) -> None:
    ran: list[str] = []

    def a_check(name: str) -> Any:
        async def check() -> None:
            ran.append(name)
            if name == fails:
                raise OwnershipLost(name)

        return check

    check = both(a_check("first"), a_check("second"))
    if fails:
        with pytest.raises(OwnershipLost, match=fails):
            await check()
    else:
        await check()

    assert ran == (["first"] if fails == "first" else ["first", "second"])


async def test_where_there_is_only_one_check_it_runs() -> None:
    clock = FakeClock()
    partition = Partition(clock)
    check = owned(partition, clock)
    clock.advance(30)

    await both(None, check.check)()

    assert partition.asked == 1
