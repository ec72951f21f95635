"""What no webhook told of is found and sent through; what is only on its way is left alone."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from deploy.local.engine import Engine
from shared.state.drift import DriftLedger
from tests.support.documents import a_document
from tests.support.engine import fresh_database, new_prefix
from tests.support.stack import Bridge, Json, open_bridge

pytestmark = pytest.mark.timeout(180)
QUICK = {
    "RECONCILE_SECONDS": "2",
    "RECONCILE_RECHECK_SECONDS": "1",
    "RECONCILE_SETTLING_SECONDS": "2",
    "RECONCILE_IN_FLIGHT_SECONDS": "60",
}
DROPPED = {"system": "webhooks", "kind": "drop"}


@pytest.fixture(scope="module")
async def quick(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bridge]:
    """A system that compares every two seconds."""
    folder: Path = tmp_path_factory.mktemp("reconciler")
    async with fresh_database(engine.database_url) as url:
        given = {
            "KAFKA_BOOTSTRAP_SERVERS": engine.bootstrap_servers,
            "DATABASE_URL": url,
            "TOPIC_PREFIX": new_prefix(),
            **QUICK,
        }
        async with open_bridge(folder, given) as opened:
            yield opened


def fresh(bridge: Bridge, **changes: Any) -> Json:
    """An order of now: what is older than a day when the product comes is not ours to compare."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return a_document(next(bridge.numbers), created_at=now, updated_at=now, processed_at=now, **changes)


async def states(bridge: Bridge, order_id: str) -> dict[str, str]:
    every = ("open", "repairing", "repaired", "gone", "review", "ignored")
    return {row.kind: row.state for row in await DriftLedger(bridge.database).list(every) if row.key == order_id}


async def test_an_order_that_no_webhook_told_of_arrives(quick: Bridge) -> None:
    await quick.faults(DROPPED)
    order_id = await quick.post(fresh(quick))
    await quick.faults()

    await quick.in_heartland(order_id, seconds=60)

    async def repaired() -> bool:
        return (await states(quick, order_id)).get("order_missing") == "repaired"

    await quick.until("the difference to be over", repaired)


@pytest.mark.capability("S105", "S106")
async def test_an_edit_and_a_payment_that_no_webhook_told_of_arrive(quick: Bridge) -> None:
    document = fresh(quick, financial_status="pending")
    order_id = await quick.post(document)
    await quick.in_heartland(order_id)
    await quick.faults(DROPPED)
    await quick.control("POST", f"/shopify/orders/{order_id}/pay", {"amount": "5.00"})
    await quick.faults()

    books = await quick.in_heartland(order_id, lambda books: "5.00" in books.payments, seconds=60)
    assert len(await quick.created(order_id)) == 1
    assert books.total == Decimal("25.00")


async def test_in_a_quiet_shop_nothing_is_repaired(quick: Bridge) -> None:
    ids = [await quick.post(fresh(quick)) for _ in range(5)]
    for order_id in ids:
        books = await quick.in_heartland(order_id)
        await quick.ship(books)
    compared_before = await quick.metric("reconciler", "events_in_total")
    settled = time.time() + 4 * float(QUICK["RECONCILE_SECONDS"])

    async def compared() -> bool:
        fresh = await quick.metric("reconciler", "events_in_total") - compared_before
        return fresh >= len(ids) and await quick.metric("reconciler", "drift_passed_at", subject="order") > settled

    await quick.until("every order to be compared, and passes after that", compared, seconds=60)
    assert [found for order_id in ids if (found := await states(quick, order_id))] == []


async def test_a_payment_changed_by_hand_is_for_a_person(quick: Bridge) -> None:
    order_id = await quick.post(fresh(quick))
    books = await quick.in_heartland(order_id)
    url = f"{quick.stack.sandbox_url}/api/sales/orders/{books.id}/payments"
    headers = {"Authorization": "Bearer sandbox-api-token"}
    kind = books.record["payments"][0]["payment_type_id"]
    payment = {"type": "CustomPayment", "payment_type_id": kind, "amount": 3}
    async with quick.session.post(url, json=payment, headers=headers) as response:
        assert response.status < 300, await response.text()

    # Shopify tells of something else about the order, so that it is looked at again.
    await quick.control("POST", f"/shopify/orders/{order_id}/edit", {"note": "by the door"})
    await quick.review(order_id, "payment_exceeds")
    assert (await states(quick, order_id))["payment_exceeds"] == "review"
