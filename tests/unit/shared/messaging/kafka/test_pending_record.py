from __future__ import annotations

import asyncio

import pytest

from shared.errors import TargetDown
from shared.messaging.kafka.pending_record import Deadlines, FlushGroup, PendingRecord


def pending(**changes: object) -> PendingRecord:
    return PendingRecord("orders", b"k", b"v", [], **changes)  # type: ignore[arg-type]


async def test_whoever_waits_learns_the_end_once() -> None:
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    record = pending(done=done)
    assert record.is_over is False

    record.settle()
    record.settle(ValueError("too late"))

    assert record.is_over
    assert done.result() is None


async def test_a_refusal_reaches_who_waits() -> None:
    record = pending(done=asyncio.get_running_loop().create_future())

    record.settle(ValueError("too large"))

    assert record.done is not None
    with pytest.raises(ValueError, match="too large"):
        record.done.result()


async def test_who_stopped_waiting_is_not_told() -> None:
    record = pending(done=asyncio.get_running_loop().create_future())
    assert record.done is not None
    record.done.cancel()

    assert record.is_over
    record.settle()


async def test_hops_are_settled_when_the_last_is_and_each_counts_once() -> None:
    hops = FlushGroup()
    assert (hops.open, hops.settled.is_set()) == (0, False)
    hops.add()
    hops.add()
    first, second = pending(flush_group=hops), pending(flush_group=hops)

    first.settle()
    first.settle()
    assert (hops.open, hops.settled.is_set(), first.is_over) == (1, False, False)

    second.settle(ValueError("lost"))
    assert (hops.open, hops.settled.is_set()) == (0, True)


async def test_a_new_record_has_failed_nowhere() -> None:
    assert pending().failures == 0


async def test_a_hop_more_makes_the_settled_unsettled() -> None:
    hops = FlushGroup()
    hops.add()
    pending(flush_group=hops).settle()
    assert hops.settled.is_set()

    hops.add()
    assert (hops.open, hops.settled.is_set()) == (1, False)


def waiting(loop: asyncio.AbstractEventLoop) -> PendingRecord:
    return PendingRecord("raw", b"k", b"v", [], loop.create_future())


async def test_what_is_not_acknowledged_in_time_is_given_up() -> None:
    deadlines, loop = Deadlines(), asyncio.get_running_loop()
    late, other = waiting(loop), waiting(loop)
    deadlines.add(late, 0.01)
    deadlines.add(other, 60)

    with pytest.raises(TargetDown, match=r"did not acknowledge a record of raw within 0\.01 s"):
        await late.done  # type: ignore[misc]
    assert not other.is_over
    deadlines.close()


async def test_one_timer_serves_all_that_wait_equally_long() -> None:
    """The timer is set anew for the first that is still open; those that are over are forgotten on the way."""
    deadlines, loop = Deadlines(), asyncio.get_running_loop()
    rows = [waiting(loop) for _ in range(100)]
    for row in rows[:99]:
        deadlines.add(row, 0.02)
        row.settle()
    deadlines.add(rows[99], 0.02)

    with pytest.raises(TargetDown):
        await rows[99].done  # type: ignore[misc]
    assert all(row.done is not None and row.done.exception() is None for row in rows[:99])
    deadlines.close()
