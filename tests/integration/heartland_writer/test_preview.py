"""What the Heartland writer would do, told without doing it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import pytest

from deploy.local.engine import Engine
from shared.definitions.paths import merged
from shared.entities.order.record import Order
from shared.entities.order.to_heartland.preview import preview
from shared.operations.dead_letters.dry_run import DryRunSettings, open_previews
from shared.state.connections import Connection, ConnectionStore
from tests.integration.heartland_writer.harness import CONNECTION, Harness, an_event, open_harness, writing
from tests.support.messaging import until
from tests.support.orders import a_tender, an_order


@pytest.fixture
async def harness(engine: Engine, topic_prefix: str, database_url: str) -> AsyncIterator[Harness]:
    async with open_harness(engine, topic_prefix, database_url) as opened:
        await opened.stock("SKU-1", "SKU-2")
        yield opened


async def told(harness: Harness, order: Order) -> dict[str, Any]:
    settings = DryRunSettings.model_validate(harness.settings.model_dump())
    async with open_previews(settings) as parts:
        return asdict(await preview(parts, CONNECTION, an_event(order).body))


async def lag(harness: Harness, seconds: float) -> None:
    """How late Heartland's reads are from now on, as far as we know."""
    store = ConnectionStore(harness.database, harness.settings.secret_key)
    [known] = await store.all()
    settings = merged(known.settings, {"heartland": {"read_lag_seconds": seconds}})
    await store.put(Connection(CONNECTION, {"heartland": known.credentials["heartland"]}, settings))


def calls(rehearsed: dict[str, Any]) -> list[tuple[str, str]]:
    return [(call["method"], call["path"]) for call in rehearsed["calls"]]


async def written(harness: Harness, order: Order) -> None:
    await harness.publish(order)
    async with writing(harness):
        await until(lambda: harness.outcomes(order.id) == ["applied"])


def paid(order: Order) -> Order:
    """The same an hour later, with the rest of the money."""
    later = order.updated_at + timedelta(hours=1)
    return order.model_copy(update={"updated_at": later, "tenders": (*order.tenders, a_tender("16.40", 2))})


async def test_a_change_of_an_order_that_heartland_has_is_rehearsed(harness: Harness) -> None:
    order = an_order(tenders=(a_tender("10.00", 1),))
    await written(harness, order)
    # Long ago, as far as the ledger knows.
    await harness.database.execute("update effects set sent_at = sent_at - interval '1 hour'")
    await lag(harness, 60.0)

    rehearsed = await told(harness, paid(order))

    assert (rehearsed["verdict"], rehearsed["problem"]) == ("apply", "")
    [(method, path)] = calls(rehearsed)
    assert (method, path.rpartition("/")[2]) == ("POST", "payments")
    assert len((await harness.picture("S-1001"))["payments"]) == 1


async def test_an_order_that_was_written_a_moment_ago_cannot_be_rehearsed_yet(harness: Harness) -> None:
    order = an_order(tenders=(a_tender("10.00", 1),))
    await written(harness, order)
    await lag(harness, 60.0)

    rehearsed = await told(harness, paid(order))

    assert "may not show it yet" in rehearsed["problem"]
    assert rehearsed["calls"] == []


async def test_what_is_written_already_takes_no_call(harness: Harness) -> None:
    await written(harness, an_order())

    assert (await told(harness, an_order()))["verdict"] == "duplicate"


async def test_a_new_order_is_rehearsed_without_a_trace(harness: Harness) -> None:
    rehearsed = await told(harness, an_order())

    assert (rehearsed["verdict"], rehearsed["problem"]) == ("apply", "")
    assert ("POST", "sales/orders") in calls(rehearsed)
    assert (await harness.summary())["orders"] == 0
    assert await harness.database.fetch("select 1 from effects") == []
