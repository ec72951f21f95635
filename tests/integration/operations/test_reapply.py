"""Changed settings, from publishing to what Heartland holds: real broker, real database, the sandbox's vendors."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from deploy.local.engine import Engine
from services.sandbox.shopify import shop
from shared.entities.settings_model import settings_check, settings_model
from shared.errors import Rejected, TargetDown
from shared.operations.dead_letters.dry_run import DryRunSettings, open_previews
from shared.operations.definitions import (
    Edit,
    Reapplicable,
    ReapplyPreview,
    preview_reapply,
    publish_definitions,
    reapplicable,
    reapply,
)
from shared.runtime.settings import Settings
from shared.state.audit import Audit
from shared.state.connections import ConnectionStore
from shared.state.versions import read_version
from tests.integration.reconciler.harness import CONNECTION, WITHOUT_POLLER, Harness, open_harness

# The documents of the sandbox's orders are older than today.
LONG = timedelta(days=90)
NOTE_FIELD = "heartland.order.note_field"


@pytest.fixture
async def harness(engine: Engine, topic_prefix: str, database_url: str) -> AsyncIterator[Harness]:
    async with open_harness(engine, topic_prefix, database_url, CONNECTIONS_REFRESH_SECONDS="0.1") as opened:
        opened.start(*WITHOUT_POLLER)
        yield opened


async def publish(harness: Harness, **values: Any) -> None:
    """Publish these settings; the reconciler's parts know them at once."""
    edit = Edit({path.replace("__", "."): value for path, value in values.items()})
    await publish_definitions(
        harness.database, CONNECTION, edit, settings_model(), author="jo", because="the stores want it"
    )
    store = ConnectionStore(harness.database, Settings.from_env(harness.environ).secret_key, settings_check())
    harness.parts.connections.replace(await store.all())


async def looked_at(harness: Harness) -> tuple[list[Reapplicable], list[ReapplyPreview]]:
    async with open_previews(DryRunSettings.from_env(harness.environ)) as parts:
        found = await reapplicable(harness.database, CONNECTION, parts.clock.now() - LONG, model=settings_model())
        return found, [await preview_reapply(parts, CONNECTION, one) for one in found]


async def reapplied(harness: Harness, found: list[Reapplicable]) -> int:
    return await reapply(Settings.from_env(harness.environ), CONNECTION, found, author="jo", because="asked for")


async def written_with(harness: Harness, key: str) -> int:
    version = await read_version(harness.database, CONNECTION, "order", key, "heartland")
    return version.definitions_version if version else 0


async def test_changed_settings_reach_new_orders_at_once_and_old_ones_on_request(harness: Harness) -> None:
    noted = await harness.order(1001, note="ring twice")
    plain = await harness.order(1002)
    for number, order_id in ((1001, noted), (1002, plain)):
        await harness.tell(order_id)
        await harness.arrived(number)
    assert (await looked_at(harness)) == ([], [])

    await publish(harness, heartland__order__note_field="web_note")

    # What was written before stays as it is, and is no difference.
    await harness.tell(noted)
    await harness.echoed(noted)
    assert (await harness.arrived(1001))["order"]["custom"].get("web_note") is None
    assert (await harness.compare()).found == []
    # What is new is written with it at once.
    fresh = await harness.order(1003, note="side door")
    await harness.tell(fresh)
    assert (await harness.arrived(1003))["order"]["custom"]["web_note"] == "side door"
    # The dry run counts what would change, and what it comes to; nothing is written.
    found, [preview] = await looked_at(harness)
    assert [(one.spec.name, one.target, sorted(one.keys)) for one in found] == [("order", "heartland", [noted, plain])]
    [affected] = preview.affected
    total = Decimal((await harness.arrived(1001))["order"]["total"])
    assert (affected.key, affected.total, preview.money) == (noted, total, {affected.currency: total})
    assert ([call["method"] for call in affected.calls], preview.unchanged, preview.problems) == (["PUT"], 1, {})
    assert (await harness.arrived(1001))["order"]["custom"].get("web_note") is None

    assert await reapplied(harness, found) == 2

    await harness.arrived(1001, lambda picture: picture["order"]["custom"].get("web_note") == "ring twice")

    async def all_written() -> bool:
        return [await written_with(harness, key) for key in (noted, plain, fresh)] == [2, 2, 2]

    await harness.until("all to be written with version 2", all_written)
    assert await harness.created("heartland", "sales/orders") == 3
    assert (await looked_at(harness)) == ([], [])
    assert await harness.kinds() == []
    entries = await Audit(harness.database).entries()
    assert [(entry.action, entry.details["state"]) for entry in entries] == [
        ("settings.publish", "requested"), ("settings.publish", "done"),
        ("settings.reapply", "requested"), ("settings.reapply", "done"),
    ]  # fmt: skip
    assert (entries[1].details["version"], entries[3].details["sent"]) == (2, 2)


async def test_settings_that_count_for_content_make_no_difference_by_themselves(harness: Harness) -> None:
    """Our own metafields are no content: which they are is a setting, and old orders hold them elsewhere."""
    order_id = await harness.order(1001)
    await harness.tell(order_id)
    await harness.arrived(1001)

    async def linked() -> bool:
        picture = await harness.sandbox.control("GET", f"/shopify/orders/{order_id}")
        return bool(picture["metafields"])

    await harness.until("the link in Shopify", linked)
    await harness.tell(order_id)
    await harness.echoed(order_id)
    await harness.agreed()

    await publish(harness, shopify__metafield_namespace="bridge")

    assert (await harness.compare()).found == []


async def test_settings_that_change_nothing_written_make_no_order_a_candidate(harness: Harness) -> None:
    order_id = await harness.order(1001)
    await harness.tell(order_id)
    await harness.arrived(1001)

    await publish(harness, heartland__read_lag_seconds=5.0)

    assert (await looked_at(harness)) == ([], [])


async def test_an_order_that_cannot_be_read_any_more_is_named(harness: Harness) -> None:
    order_id = await harness.order(1001)
    await harness.tell(order_id)
    await harness.arrived(1001)
    shop.of(harness.sandbox.world).reset()  # as if it were deleted
    await publish(harness, heartland__order__note_field="web_note")

    _, [preview] = await looked_at(harness)

    assert preview.problems == {order_id: f"Shopify does not show order {order_id}"}


async def test_what_was_looked_at_is_not_sent_once_another_version_is_published(harness: Harness) -> None:
    order_id = await harness.order(1001)
    await harness.tell(order_id)
    await harness.arrived(1001)
    await publish(harness, heartland__order__note_field="web_note")
    found, _ = await looked_at(harness)
    await publish(harness, heartland__order__note_field="other_note")

    with pytest.raises(Rejected, match="version 3 was published by jo meanwhile"):
        await reapplied(harness, found)


async def test_while_the_shop_is_down_nothing_is_said_of_any_order(harness: Harness) -> None:
    order_id = await harness.order(1001)
    await harness.tell(order_id)
    await harness.arrived(1001)
    await publish(harness, heartland__order__note_field="web_note")
    await harness.sandbox.faults({"system": "shopify", "kind": "outage", "rate": 1.0})

    with pytest.raises(TargetDown):
        await looked_at(harness)


async def test_nothing_is_published_where_nothing_changes_nor_for_nobody(harness: Harness) -> None:
    edit, model = Edit({NOTE_FIELD: ""}), settings_model()

    same = await publish_definitions(harness.database, CONNECTION, edit, model, author="jo", because="x")

    assert (same.version, same.changes) == (1, ())
    assert await Audit(harness.database).entries() == []
    with pytest.raises(Rejected, match="there is no connection nobody"):
        await publish_definitions(harness.database, "nobody", edit, model, author="jo", because="x")
