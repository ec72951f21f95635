"""A disk that is full and clocks that are wrong: what docs/failure-modes.md says of them."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.documents import a_document
from tests.support.stack import Bridge, open_bridge

pytestmark = pytest.mark.timeout(240)

# Applied, and the caller hears nothing until it gives up.
UNHEARD = {
    "system": "heartland",
    "kind": "timeout_after",
    "operation": "^POST ",
    "rate": 0.2,
    "seconds": 3,
    "times": 6,
}  # fmt: skip
# So small that no segment of a log can grow, let alone begin.
NO_ROOM = 2_048


@pytest.fixture(scope="module")
async def own(tmp_path_factory: pytest.TempPathFactory, engine_folder: Path) -> AsyncIterator[Bridge]:
    """A system whose broker may run out of disk: nobody else's."""
    async with open_bridge(tmp_path_factory.mktemp("failures"), data=engine_folder / "failures") as opened:
        yield opened
        await opened.faults()


async def put_back(bridge: Bridge, service: str, seconds: int) -> None:
    """Start this service again on a machine whose clock is off."""
    state = bridge.stack.supervisor.states[service]
    python, _, module = state.launch.argv[0], state.launch.argv[1], state.launch.argv[-1]
    state.launch = replace(state.launch, argv=(python, "-m", "tests.support.clock_skew", str(seconds), module))
    await bridge.kill(service)


async def test_clocks_that_are_an_hour_off_change_nothing(own: Bridge) -> None:
    await put_back(own, "heartland-writer", -3600)
    await put_back(own, "transformer-order", 3600)
    await put_back(own, "shopify-writer", 3600)
    await own.faults(UNHEARD)
    ids = [await own.post(a_document(next(own.numbers))) for _ in range(8)]
    # Whoever takes over sits on a machine that is off the other way.
    await put_back(own, "heartland-writer", 3600)

    for order_id in ids:
        books = await own.in_heartland(order_id, seconds=90)
        assert books.payments == ["25.00"]
        await own.ship(books)
    for order_id in ids:
        await own.hop(order_id, "shopify_writer", "applied", "duplicate", entity="fulfilment")
        assert len(await own.fulfilled(order_id)) == 1


async def test_a_broker_without_disk_loses_nothing_that_was_acknowledged(own: Bridge) -> None:
    broker = own.stack.engine.broker
    assert broker is not None
    before = await own.post(a_document(next(own.numbers)))
    await own.in_heartland(before)

    resource.prlimit(broker.pid, resource.RLIMIT_FSIZE, (NO_ROOM, NO_ROOM))
    ids: list[str] = []

    async def refused() -> bool:
        # What lies in small segments may grow a little yet: orders come in until one is not taken.
        ids.append(await own.post(a_document(next(own.numbers))))
        rows = [row for order_id in ids for row in await own.deliveries(order_id)]
        return any(row["status"] == 503 for row in rows)

    await own.until("ingress to say that it cannot take more", refused, seconds=60)

    # Room again: the broker is started anew, everything goes on by itself.
    await broker.kill()
    await broker.restart()
    for order_id in ids:
        await own.in_heartland(order_id, seconds=90)

    async def all_delivered() -> bool:
        # One of an order's webhooks is enough to read it; the others may still be tried again.
        deliveries = [row for order_id in ids for row in await own.deliveries(order_id)]
        return {row["outcome"] for row in deliveries} == {"delivered"}

    await own.until("every webhook to be taken", all_delivered, seconds=60)
    await asyncio.wait_for(own.all_ready(60), 70)
