"""Completed invoices of our orders come out once, whatever happens between two polls, or within one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import orjson
import pytest

from shared.errors import TargetDown
from tests.unit.shared.entities.fulfilment.fakes import START, Failing, FakeCursors, World


@pytest.fixture
async def world() -> World:
    world = World()
    world.link(*range(1, 20))
    return world


async def test_a_completed_invoice_of_ours_is_published_with_its_lines(world: World) -> None:
    world.heartland.put(7)

    await world.poll()

    (event,) = world.producer.sent
    assert (event.connection, event.entity, event.subject, event.time) == ("main", "fulfilment", "5007", START)
    assert event.id.startswith("heartland:invoice:7:2026-11-21T09:00:00+00:00:")
    body = orjson.loads(event.body)
    assert (body["invoice"]["id"], body["lines"][0]["qty"]) == (7, 1)


async def test_a_second_poll_publishes_nothing_again_and_writes_no_cursor(world: World) -> None:
    world.heartland.put(1)
    await world.poll()
    writes = world.cursors.writes

    assert await world.poll() == []
    assert world.cursors.writes == writes


async def test_an_invoice_that_changes_is_published_again(world: World) -> None:
    world.heartland.put(1)
    await world.poll()
    world.heartland.put(1, minutes=5, custom={"tracking_number": "1Z9"})

    assert await world.poll() == [1]


async def test_a_change_within_the_same_second_is_a_change(world: World) -> None:
    world.heartland.put(1)
    await world.poll()
    world.heartland.put(1, custom={"tracking_number": "1Z9"})

    assert await world.poll() == [1]
    assert len({event.id for event in world.producer.sent}) == 2


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"status": "pending"}, id="not complete"),
        pytest.param({"voided?": True}, id="voided"),
        pytest.param({"order_id": None}, id="of no order"),
    ],
)
async def test_what_is_no_shipment_of_an_order_is_passed_over(world: World, changes: dict[str, Any]) -> None:
    world.heartland.put(1)
    world.heartland.rows[1] |= changes

    assert await world.poll() == []


async def test_an_invoice_that_shows_up_late_is_not_missed(world: World) -> None:
    world.heartland.put(2, minutes=9)
    await world.poll()
    world.heartland.put(1, minutes=0)

    assert await world.poll() == [1]


async def test_an_invoice_of_an_order_that_is_linked_later_comes_then(world: World) -> None:
    """Long after the overlap: a restored database, a writer that was away for hours."""
    world.heartland.put(50)
    world.heartland.put(1, minutes=60)
    assert await world.poll() == [1]

    world.link(50)
    assert await world.poll() == [50]
    assert await world.poll() == []
    assert world.heartland.reads.count("by id") == 1


async def test_what_never_becomes_ours_is_forgotten(world: World) -> None:
    world.heartland.put(50)
    await world.poll()
    world.heartland.put(1, minutes=25 * 60)
    world.clock.advance(26 * 3600)
    await world.poll()

    assert world.cursors.stored[("main", "heartland.invoices")]["strangers"] == {}


async def test_rows_that_cannot_be_read_hold_up_no_other(world: World) -> None:
    world.heartland.put(1)
    world.heartland.put(2)
    world.heartland.rows[1] = {"id": 1, "order_id": 1001, "status": "complete"}

    assert await world.poll() == [2]
    assert len(world.unreadable) == 1


async def test_a_first_poll_looks_back_a_day(world: World) -> None:
    world.heartland.put(1, minutes=-22 * 60)
    world.heartland.put(2, minutes=-26 * 60)

    assert await world.poll() == [1]


async def test_a_feed_that_begins_with_an_outage_begins_no_later_for_it(world: World) -> None:
    world.heartland.put(1, minutes=-22 * 60)
    world.points.fails_at = 2
    with pytest.raises(TargetDown):
        await world.poll()
    world.clock.advance(30 * 3600)

    assert await world.poll() == [1]


async def test_a_stamp_of_the_future_does_not_hide_what_follows(world: World) -> None:
    world.heartland.put(1, minutes=60 * 24 * 365)
    assert await world.poll() == [1]
    world.heartland.put(2, minutes=61)
    world.clock.advance(120)

    assert await world.poll() == [2]


async def test_whatever_call_fails_nothing_is_skipped_and_little_comes_twice() -> None:
    """Broker, Heartland or database fail at any one call: what the next poll does again was not noted as done."""
    number = 0
    while True:
        number += 1
        world = World()
        world.link(1, 2, 3, 4, 5)
        for invoice in range(1, 6):
            world.heartland.put(invoice, minutes=5 - invoice)
        world.points.fails_at = number
        for _ in range(2):
            try:
                await world.poll()
            except TargetDown:
                world.clock.advance(timedelta(minutes=5).total_seconds())
        assert set(world.published()) == {1, 2, 3, 4, 5}
        assert len(world.published()) <= 7
        assert world.counted == len(world.published())
        if world.points.calls < number:
            return


class Frozen(FakeCursors):
    """The cursors as a replica sees them that stops before its last write, and wakes up later."""

    def __init__(self, real: FakeCursors) -> None:
        super().__init__(Failing())
        self.stored = real.stored
        self.at_write, self.wakes = asyncio.Event(), asyncio.Event()

    async def put(self, connection: str, feed: str, position: Mapping[str, Any]) -> None:
        self.at_write.set()
        await self.wakes.wait()
        await super().put(connection, feed, position)


async def test_of_two_that_poll_at_once_the_slower_one_hides_nothing(world: World) -> None:
    """Leases spare double work; what is right must not hang on them."""
    await world.poll()
    world.heartland.put(1, minutes=1)
    slow = World()
    slow.heartland, slow.producer, slow.links, slow.clock = world.heartland, world.producer, world.links, world.clock
    slow.cursors = frozen = Frozen(world.cursors)
    polling = asyncio.create_task(slow.poll())
    await frozen.at_write.wait()

    for invoice in range(2, 6):
        world.heartland.put(invoice, minutes=invoice)
        await world.poll()
    frozen.wakes.set()
    await polling
    world.heartland.put(6, minutes=6)
    await world.poll()

    assert set(world.published()) == {1, 2, 3, 4, 5, 6}
