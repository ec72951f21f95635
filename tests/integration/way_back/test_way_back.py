"""From an invoice in Heartland to a fulfilment in Shopify, through outages, lost answers and restarts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from deploy.local.engine import Engine
from shared.runtime.settings import Settings
from shared.state.connections import Connection, ConnectionStore
from tests.integration.way_back.harness import CONNECTION, Harness, open_harness
from tests.support.messaging import until


@pytest.fixture
async def harness(engine: Engine, topic_prefix: str, database_url: str) -> AsyncIterator[Harness]:
    async with open_harness(engine, topic_prefix, database_url) as opened:
        yield opened


async def all_done(harness: Harness, numbers: range, times: int = 1) -> None:
    def done() -> bool:
        harness.check()
        return all(harness.outcomes(number).count("applied") >= times for number in numbers)

    await until(done, seconds=60)


async def test_shipments_become_fulfilments_once_in_parts_and_in_whole(harness: Harness) -> None:
    numbers = range(5001, 5011)
    for number in numbers:
        await harness.order(number, ("TEE", 3), ("CAP", 1))
    harness.start()
    for number in numbers:
        await harness.ship(number, ("TEE", 1), tracking_number=f"1Z{number}", carrier="UPS")
        await harness.ship(number)
    await all_done(harness, numbers, times=2)

    for number in numbers:
        assert await harness.units(number) == [{"TEE": 1}, {"TEE": 2, "CAP": 1}]
        first, second = await harness.fulfilments(number)
        assert (first["tracking_number"], first["tracking_company"]) == (f"1Z{number}", "UPS")
        assert second["tracking_number"] is None
    assert await harness.created() == 20


async def test_tracking_entered_after_completion_arrives(harness: Harness) -> None:
    await harness.order(5001, ("TEE", 1))
    harness.start()
    invoice = await harness.ship(5001)
    await all_done(harness, range(5001, 5002))

    body = {"custom@tracking_number": "1Z9", "custom@carrier": "UPS"}
    assert (await harness.sandbox.heartland("PUT", f"sales/invoices/{invoice}", body)).status < 300
    await all_done(harness, range(5001, 5002), times=2)

    (made,) = await harness.fulfilments(5001)
    assert (made["tracking_number"], made["tracking_company"]) == ("1Z9", "UPS")


async def test_a_held_order_waits_and_others_pass(harness: Harness) -> None:
    for number in (5001, 5002):
        await harness.order(number, ("TEE", 1))
    await harness.sandbox.control("POST", "/shopify/orders/5001/hold", {"reason": "OTHER"})
    harness.start()
    await harness.ship(5001)
    await until(lambda: "parked" in harness.outcomes(5001))
    await harness.ship(5002)
    await all_done(harness, range(5002, 5003))
    assert await harness.fulfilments(5001) == []

    await harness.sandbox.control("POST", "/shopify/orders/5001/hold", {"reason": None})
    await all_done(harness, range(5001, 5002))
    assert await harness.units(5001) == [{"TEE": 1}]


async def test_what_shopify_does_not_expect_becomes_a_review(harness: Harness) -> None:
    await harness.order(5001, ("TEE", 1))
    await harness.sandbox.control("POST", "/shopify/orders/5001/cancel", {})
    harness.start()
    await harness.ship(5001)
    await until(lambda: harness.outcomes(5001) == ["review"])

    (review,) = await harness.reviews.list()
    assert (review.kind, review.entity, review.key) == ("shipment_without_order_lines", "fulfilment", "5001")


BREAKS: list[dict[str, Any]] = [
    {"system": "shopify", "kind": "error_after", "operation": "CreateFulfilment", "rate": 0.4, "times": 5},
    {"system": "shopify", "kind": "garbage", "operation": "CreateFulfilment", "rate": 0.3, "times": 3},
    {"system": "shopify", "kind": "error_before", "operation": "CreateFulfilment", "rate": 0.3, "times": 3},
    {"system": "shopify", "kind": "throttle", "rate": 0.2, "times": 5},
    {"system": "heartland", "kind": "error_before", "rate": 0.1, "times": 5},
    {"system": "heartland", "kind": "garbage", "rate": 0.1, "times": 3},
]


async def test_no_answer_is_trusted_and_nothing_is_doubled(harness: Harness) -> None:
    numbers = range(5001, 5011)
    for number in numbers:
        await harness.order(number, ("TEE", 4))
    await harness.sandbox.faults(*BREAKS)
    harness.start()
    for number in numbers:
        await harness.ship(number, ("TEE", 1))
        await harness.ship(number, ("TEE", 2))
    await all_done_or_recognised(harness, numbers, 2)

    for number in numbers:
        assert sorted(units["TEE"] for units in await harness.units(number)) == [1, 2]


async def all_done_or_recognised(harness: Harness, numbers: range, shipments: int) -> None:
    """A call whose answer was lost ends as `duplicate`: it was found to be done."""

    def done() -> bool:
        harness.check()
        return all(
            sum(outcome in ("applied", "duplicate") for outcome in harness.outcomes(number)) >= shipments
            for number in numbers
        )

    await until(done, seconds=90)


async def test_services_that_are_killed_lose_nothing_and_double_nothing(harness: Harness) -> None:
    numbers = range(5001, 5013)
    for number in numbers:
        await harness.order(number, ("TEE", 3))
        await harness.ship(number, ("TEE", 1))
    for writes in (2, 6, 9):
        harness.start()

        async def enough(writes: int = writes) -> bool:
            return await harness.created() >= writes

        await until(enough, seconds=60)
        await harness.kill()
    for number in numbers:
        await harness.ship(number, ("TEE", 1))
    harness.start()

    async def all_there() -> bool:
        harness.check()
        return all([len(await harness.fulfilments(number)) >= 2 for number in numbers])

    await until(all_there, seconds=90)

    for number in numbers:
        assert await harness.units(number) == [{"TEE": 1}, {"TEE": 1}]
    assert await harness.created() == 24


async def test_a_connection_that_cannot_work_stops_no_other(harness: Harness) -> None:
    store = ConnectionStore(harness.database, Settings.from_env(harness.environ).secret_key)
    await store.put(Connection("broken", {"heartland": {"base_url": "http://127.0.0.1:1"}, "shopify": {}}))
    await store.put(Connection("away", {"heartland": {"base_url": "http://127.0.0.1:1", "api_token": "x"}}))
    await harness.order(5001, ("TEE", 1))
    harness.start()
    await harness.ship(5001)
    await all_done(harness, range(5001, 5002))

    assert await harness.units(5001) == [{"TEE": 1}]
    harness.check()


async def test_an_order_that_is_linked_after_its_shipment_is_fulfilled_then(harness: Harness) -> None:
    await harness.in_shopify(5001, ("TEE", 1))
    heartland_id = await harness.in_heartland(5001, ("TEE", 1))
    await harness.order(5002, ("TEE", 1))
    harness.start()
    await harness.ship(5001)
    await harness.ship(5002)
    await all_done(harness, range(5002, 5003))
    assert await harness.fulfilments(5001) == []

    await harness.link(5001, heartland_id)
    await all_done(harness, range(5001, 5002))
    assert await harness.units(5001) == [{"TEE": 1}]


async def test_the_effects_are_noted_once_per_invoice(harness: Harness) -> None:
    await harness.order(5001, ("TEE", 2))
    harness.start()
    invoices = [await harness.ship(5001, ("TEE", 1)) for _ in range(2)]
    await all_done(harness, range(5001, 5002), times=2)

    effects = await harness.ledger.of_key(CONNECTION, "fulfilment", "5001")
    assert {name.split(":")[1] for name in effects} == {str(invoice) for invoice in invoices}
    assert {claim.state for claim in effects.values()} == {"done"}
