"""What the Shopify writer would do, told without doing it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any

import orjson
import pytest

from deploy.local.engine import Engine
from shared.entities.spec import load
from shared.entities.table import preview_of
from shared.errors import Rejected
from shared.operations.dead_letters.dry_run import DryRunSettings, open_previews
from tests.integration.way_back.harness import CONNECTION, Harness, open_harness
from tests.support.messaging import NOON, until


@pytest.fixture
async def harness(engine: Engine, topic_prefix: str, database_url: str) -> AsyncIterator[Harness]:
    async with open_harness(engine, topic_prefix, database_url) as opened:
        yield opened


async def told(harness: Harness, event: dict[str, Any], entity: str = "fulfilment") -> dict[str, Any]:
    async with open_previews(DryRunSettings.from_env(harness.environ)) as parts:
        return asdict(await load(preview_of(entity, "shopify"))(parts, CONNECTION, orjson.dumps(event)))


async def a_shipment(harness: Harness) -> dict[str, Any]:
    """What the writer would get of it; it does not run yet."""
    await harness.order(5001, ("TEE", 2))
    harness.start("poller", "transformer")
    await harness.ship(5001, ("TEE", 1))
    await until(lambda: harness.events, seconds=60)
    return harness.events[0]


async def test_a_shipment_is_rehearsed_without_a_trace_and_the_real_one_does_the_same(harness: Harness) -> None:
    event = await a_shipment(harness)
    rehearsed = await told(harness, event)

    assert (rehearsed["verdict"], rehearsed["problem"]) == ("apply", "")
    [call] = rehearsed["calls"]
    assert (call["method"], call["path"]) == ("mutation", "CreateFulfilment")
    assert await harness.created() == 0
    assert await harness.database.fetch("select 1 from effects") == []

    harness.start("writer")
    await until(lambda: harness.outcomes(5001) == ["applied"], seconds=60)
    assert await harness.units(5001) == [{"TEE": 1}]
    again = await told(harness, event)
    assert (again["verdict"], again["calls"]) == ("duplicate", [])


async def test_a_shipment_that_shopify_does_not_expect_says_why(harness: Harness) -> None:
    event = await a_shipment(harness)
    for line in event["record"]["lines"]:
        line["quantity"] = 7
    rehearsed = await told(harness, event)

    assert "not left to fulfil" in rehearsed["problem"]
    assert await harness.created() == 0


async def test_a_link_is_rehearsed(harness: Harness) -> None:
    record = {
        "entity": "order",
        "shopify_id": "5001",
        "heartland_id": "7",
        "heartland_public_id": "S-7",
        "linked_at": NOON,
    }
    event = {
        "schema_name": "link.v1", "connection": CONNECTION, "entity": "link", "source": "heartland", "key": "5001",
        "version": NOON, "content_hash": "x", "lineage": [], "read_at": NOON, "record": record,
    }  # fmt: skip
    [call] = (await told(harness, event, "link"))["calls"]

    assert [field["value"] for field in call["body"]["metafields"]] == ["7", "S-7"]
    assert await harness.sandbox.journal("shopify") == []


async def test_what_cannot_be_read_would_come_back(harness: Harness) -> None:
    with pytest.raises(Rejected, match="not a canonical fulfilment"):
        await told(harness, {})
