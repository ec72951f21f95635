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
from tests.integration.reconciler.place import CONNECTION, WITHOUT_POLLER, Place, open_place

# The documents of the sandbox's orders are older than today.
LONG = timedelta(days=90)
NOTE_FIELD = "heartland.order.note_field"


@pytest.fixture
async def place(engine: Engine, topic_prefix: str, database_url: str) -> AsyncIterator[Place]:
    async with open_place(engine, topic_prefix, database_url, CONNECTIONS_REFRESH_SECONDS="0.1") as opened:
        opened.start(*WITHOUT_POLLER)
        yield opened


async def publish(place: Place, **values: Any) -> None:
    """Publish these settings; the reconciler's parts know them at once."""
    edit = Edit({path.replace("__", "."): value for path, value in values.items()})
    await publish_definitions(
        place.database, CONNECTION, edit, settings_model(), author="jo", because="the stores want it"
    )
    store = ConnectionStore(place.database, Settings.from_env(place.environ).secret_key, settings_check())
    place.parts.connections.replace(await store.all())


async def looked_at(place: Place) -> tuple[list[Reapplicable], list[ReapplyPreview]]:
    async with open_previews(DryRunSettings.from_env(place.environ)) as parts:
        found = await reapplicable(place.database, CONNECTION, parts.clock.now() - LONG)
        return found, [await preview_reapply(parts, CONNECTION, one) for one in found]


async def reapplied(place: Place, found: list[Reapplicable]) -> int:
    return await reapply(Settings.from_env(place.environ), CONNECTION, found, author="jo", because="asked for")


async def written_with(place: Place, key: str) -> int:
    version = await read_version(place.database, CONNECTION, "order", key, "heartland")
    return version.definitions_version if version else 0


async def test_changed_settings_reach_new_orders_at_once_and_old_ones_on_request(place: Place) -> None:
    noted = await place.order(1001, note="ring twice")
    plain = await place.order(1002)
    for number, order_id in ((1001, noted), (1002, plain)):
        await place.tell(order_id)
        await place.arrived(number)
    assert (await looked_at(place)) == ([], [])

    await publish(place, heartland__order__note_field="web_note")

    # What was written before stays as it is, and is no difference.
    await place.tell(noted)
    await place.echoed(noted)
    assert (await place.arrived(1001))["order"]["custom"].get("web_note") is None
    assert (await place.compare()).found == []
    # What is new is written with it at once.
    fresh = await place.order(1003, note="side door")
    await place.tell(fresh)
    assert (await place.arrived(1003))["order"]["custom"]["web_note"] == "side door"
    # The dry run counts what would change, and what it comes to; nothing is written.
    found, [preview] = await looked_at(place)
    assert [(one.spec.name, one.target, sorted(one.keys)) for one in found] == [("order", "heartland", [noted, plain])]
    [affected] = preview.affected
    total = Decimal((await place.arrived(1001))["order"]["total"])
    assert (affected.key, affected.total, preview.money) == (noted, total, {affected.currency: total})
    assert ([call["method"] for call in affected.calls], preview.unchanged, preview.problems) == (["PUT"], 1, {})
    assert (await place.arrived(1001))["order"]["custom"].get("web_note") is None

    assert await reapplied(place, found) == 2

    await place.arrived(1001, lambda picture: picture["order"]["custom"].get("web_note") == "ring twice")

    async def all_written() -> bool:
        return [await written_with(place, key) for key in (noted, plain, fresh)] == [2, 2, 2]

    await place.until("all to be written with version 2", all_written)
    assert await place.created("heartland", "sales/orders") == 3
    assert (await looked_at(place)) == ([], [])
    assert await place.kinds() == []
    entries = await Audit(place.database).entries()
    assert [(entry.action, entry.details["state"]) for entry in entries] == [
        ("settings.publish", "requested"), ("settings.publish", "done"),
        ("settings.reapply", "requested"), ("settings.reapply", "done"),
    ]  # fmt: skip
    assert (entries[1].details["version"], entries[3].details["sent"]) == (2, 2)


async def test_settings_that_count_for_content_make_no_difference_by_themselves(place: Place) -> None:
    """Our own metafields are no content: which they are is a setting, and old orders hold them elsewhere."""
    order_id = await place.order(1001)
    await place.tell(order_id)
    await place.arrived(1001)

    async def linked() -> bool:
        picture = await place.sandbox.control("GET", f"/shopify/orders/{order_id}")
        return bool(picture["metafields"])

    await place.until("the link in Shopify", linked)
    await place.tell(order_id)
    await place.echoed(order_id)
    await place.agreed()

    await publish(place, shopify__metafield_namespace="bridge")

    assert (await place.compare()).found == []


async def test_an_order_that_cannot_be_read_any_more_is_named(place: Place) -> None:
    order_id = await place.order(1001)
    await place.tell(order_id)
    await place.arrived(1001)
    shop.of(place.sandbox.world).reset()  # as if it were deleted
    await publish(place, heartland__order__note_field="web_note")

    _, [preview] = await looked_at(place)

    assert preview.problems == {order_id: f"Shopify does not show order {order_id}"}


async def test_what_was_looked_at_is_not_sent_once_another_version_is_published(place: Place) -> None:
    order_id = await place.order(1001)
    await place.tell(order_id)
    await place.arrived(1001)
    await publish(place, heartland__order__note_field="web_note")
    found, _ = await looked_at(place)
    await publish(place, heartland__order__note_field="other_note")

    with pytest.raises(Rejected, match="version 3 was published by jo meanwhile"):
        await reapplied(place, found)


async def test_while_the_shop_is_down_nothing_is_said_of_any_order(place: Place) -> None:
    order_id = await place.order(1001)
    await place.tell(order_id)
    await place.arrived(1001)
    await publish(place, heartland__order__note_field="web_note")
    await place.sandbox.faults({"system": "shopify", "kind": "outage", "rate": 1.0})

    with pytest.raises(TargetDown):
        await looked_at(place)


async def test_nothing_is_published_where_nothing_changes_nor_for_nobody(place: Place) -> None:
    edit, model = Edit({NOTE_FIELD: ""}), settings_model()

    same = await publish_definitions(place.database, CONNECTION, edit, model, author="jo", because="x")

    assert (same.version, same.changes) == (1, ())
    assert await Audit(place.database).entries() == []
    with pytest.raises(Rejected, match="there is no connection nobody"):
        await publish_definitions(place.database, "nobody", edit, model, author="jo", because="x")
