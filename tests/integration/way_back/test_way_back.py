"""From an invoice in Heartland to a fulfilment in Shopify, through outages, lost answers and restarts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from deploy.local.engine import Engine
from shared.runtime.settings import Settings
from shared.state.connections import Connection, ConnectionStore
from tests.integration.way_back.place import CONNECTION, Place, open_place
from tests.support.messaging import until


@pytest.fixture
async def place(engine: Engine, topic_prefix: str, database_url: str) -> AsyncIterator[Place]:
    async with open_place(engine, topic_prefix, database_url) as opened:
        yield opened


async def all_done(place: Place, numbers: range, times: int = 1) -> None:
    def done() -> bool:
        place.check()
        return all(place.outcomes(number).count("applied") >= times for number in numbers)

    await until(done, seconds=60)


async def test_shipments_become_fulfilments_once_in_parts_and_in_whole(place: Place) -> None:
    numbers = range(5001, 5011)
    for number in numbers:
        await place.order(number, ("TEE", 3), ("CAP", 1))
    place.start()
    for number in numbers:
        await place.ship(number, ("TEE", 1), tracking_number=f"1Z{number}", carrier="UPS")
        await place.ship(number)
    await all_done(place, numbers, times=2)

    for number in numbers:
        assert await place.units(number) == [{"TEE": 1}, {"TEE": 2, "CAP": 1}]
        first, second = await place.fulfilments(number)
        assert (first["tracking_number"], first["tracking_company"]) == (f"1Z{number}", "UPS")
        assert second["tracking_number"] is None
    assert await place.created() == 20


async def test_tracking_entered_after_completion_arrives(place: Place) -> None:
    await place.order(5001, ("TEE", 1))
    place.start()
    invoice = await place.ship(5001)
    await all_done(place, range(5001, 5002))

    body = {"custom@tracking_number": "1Z9", "custom@carrier": "UPS"}
    assert (await place.sandbox.heartland("PUT", f"sales/invoices/{invoice}", body)).status < 300
    await all_done(place, range(5001, 5002), times=2)

    (made,) = await place.fulfilments(5001)
    assert (made["tracking_number"], made["tracking_company"]) == ("1Z9", "UPS")


async def test_a_held_order_waits_and_others_pass(place: Place) -> None:
    for number in (5001, 5002):
        await place.order(number, ("TEE", 1))
    await place.sandbox.control("POST", "/shopify/orders/5001/hold", {"reason": "OTHER"})
    place.start()
    await place.ship(5001)
    await until(lambda: "parked" in place.outcomes(5001))
    await place.ship(5002)
    await all_done(place, range(5002, 5003))
    assert await place.fulfilments(5001) == []

    await place.sandbox.control("POST", "/shopify/orders/5001/hold", {"reason": None})
    await all_done(place, range(5001, 5002))
    assert await place.units(5001) == [{"TEE": 1}]


async def test_what_shopify_does_not_expect_becomes_a_review(place: Place) -> None:
    await place.order(5001, ("TEE", 1))
    await place.sandbox.control("POST", "/shopify/orders/5001/cancel", {})
    place.start()
    await place.ship(5001)
    await until(lambda: place.outcomes(5001) == ["review"])

    (review,) = await place.reviews.list()
    assert (review.kind, review.entity, review.key) == ("shipment_without_order_lines", "fulfilment", "5001")


BREAKS: list[dict[str, Any]] = [
    {"system": "shopify", "kind": "error_after", "operation": "CreateFulfilment", "rate": 0.4, "times": 5},
    {"system": "shopify", "kind": "garbage", "operation": "CreateFulfilment", "rate": 0.3, "times": 3},
    {"system": "shopify", "kind": "error_before", "operation": "CreateFulfilment", "rate": 0.3, "times": 3},
    {"system": "shopify", "kind": "throttle", "rate": 0.2, "times": 5},
    {"system": "heartland", "kind": "error_before", "rate": 0.1, "times": 5},
    {"system": "heartland", "kind": "garbage", "rate": 0.1, "times": 3},
]


async def test_no_answer_is_trusted_and_nothing_is_doubled(place: Place) -> None:
    numbers = range(5001, 5011)
    for number in numbers:
        await place.order(number, ("TEE", 4))
    await place.sandbox.faults(*BREAKS)
    place.start()
    for number in numbers:
        await place.ship(number, ("TEE", 1))
        await place.ship(number, ("TEE", 2))
    await all_done_or_recognised(place, numbers, 2)

    for number in numbers:
        assert sorted(units["TEE"] for units in await place.units(number)) == [1, 2]


async def all_done_or_recognised(place: Place, numbers: range, shipments: int) -> None:
    """A call whose answer was lost ends as `duplicate`: it was found to be done."""

    def done() -> bool:
        place.check()
        return all(
            sum(outcome in ("applied", "duplicate") for outcome in place.outcomes(number)) >= shipments
            for number in numbers
        )

    await until(done, seconds=90)


async def test_services_that_are_killed_lose_nothing_and_double_nothing(place: Place) -> None:
    numbers = range(5001, 5013)
    for number in numbers:
        await place.order(number, ("TEE", 3))
        await place.ship(number, ("TEE", 1))
    for writes in (2, 6, 9):
        place.start()

        async def enough(writes: int = writes) -> bool:
            return await place.created() >= writes

        await until(enough, seconds=60)
        await place.kill()
    for number in numbers:
        await place.ship(number, ("TEE", 1))
    place.start()

    async def all_there() -> bool:
        place.check()
        return all([len(await place.fulfilments(number)) >= 2 for number in numbers])

    await until(all_there, seconds=90)

    for number in numbers:
        assert await place.units(number) == [{"TEE": 1}, {"TEE": 1}]
    assert await place.created() == 24


async def test_a_connection_that_cannot_work_stops_no_other(place: Place) -> None:
    store = ConnectionStore(place.database, Settings.from_env(place.environ).secret_key)
    await store.put(Connection("broken", {"heartland": {"base_url": "http://127.0.0.1:1"}, "shopify": {}}))
    await store.put(Connection("away", {"heartland": {"base_url": "http://127.0.0.1:1", "api_token": "x"}}))
    await place.order(5001, ("TEE", 1))
    place.start()
    await place.ship(5001)
    await all_done(place, range(5001, 5002))

    assert await place.units(5001) == [{"TEE": 1}]
    place.check()


async def test_an_order_that_is_linked_after_its_shipment_is_fulfilled_then(place: Place) -> None:
    await place.in_shopify(5001, ("TEE", 1))
    heartland_id = await place.in_heartland(5001, ("TEE", 1))
    await place.order(5002, ("TEE", 1))
    place.start()
    await place.ship(5001)
    await place.ship(5002)
    await all_done(place, range(5002, 5003))
    assert await place.fulfilments(5001) == []

    await place.link(5001, heartland_id)
    await all_done(place, range(5001, 5002))
    assert await place.units(5001) == [{"TEE": 1}]


async def test_the_effects_are_noted_once_per_invoice(place: Place) -> None:
    await place.order(5001, ("TEE", 2))
    place.start()
    invoices = [await place.ship(5001, ("TEE", 1)) for _ in range(2)]
    await all_done(place, range(5001, 5002), times=2)

    effects = await place.ledger.of_key(CONNECTION, "fulfilment", "5001")
    assert {name.split(":")[1] for name in effects} == {str(invoice) for invoice in invoices}
    assert {claim.state for claim in effects.values()} == {"done"}
