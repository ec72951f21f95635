from __future__ import annotations

import asyncio

import pytest

from shared.definitions.paths import Change, changes
from shared.entities.settings_model import settings_check, settings_model
from shared.errors import Misconfigured
from shared.state import database
from shared.state.database import Database, migrate
from shared.state.definitions import Definitions
from shared.state.versions import read_version


async def test_of_several_processes_one_migrates_and_all_succeed(empty_database_url: str) -> None:
    applied = await asyncio.gather(*(migrate(empty_database_url) for _ in range(5)))

    [names] = [names for names in applied if names]
    assert names[0] == "001_first"
    assert names == sorted(names)
    assert await migrate(empty_database_url) == []


async def test_a_migration_changed_afterwards_is_refused(empty_database_url: str) -> None:
    await migrate(empty_database_url)
    async with Database.open(empty_database_url, 1) as database:
        await database.execute("update schema_migrations set sha256 = 'another'")

    with pytest.raises(Misconfigured, match="001_first was changed"):
        await migrate(empty_database_url)


async def test_marks_before_a_content_hash_become_columns(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database of an earlier release: `!` stood for blocked, `?` for an open review."""
    everything = database._migrations()
    monkeypatch.setattr(database, "_migrations", lambda: [one for one in everything if one[0] < "009"])
    await migrate(empty_database_url)
    monkeypatch.undo()
    async with Database.open(empty_database_url, 1) as db:
        for key, content_hash in (("1", "!abc"), ("2", "?abc"), ("3", "abc")):
            await db.execute(
                "insert into versions (connection, entity, key, target, version, content_hash) "
                "values ('demo', 'order', $1, 'heartland', now(), $2)",
                key, content_hash,
            )  # fmt: skip
        await db.execute(
            "insert into effects (connection, effect_id, system, entity, key, operation, state, result) "
            "values ('demo', '1', 'shopify', 'fulfilment', '1', 'fulfilment:10:5', 'done', $1)",
            {"fulfilment": "gid://1", "parts": []},
        )
        await migrate(empty_database_url)

        found = [await read_version(db, "demo", "order", key, "heartland") for key in "123"]
        [effect] = await db.fetch("select result from effects")

    assert [(one.content_hash, one.blocked, one.has_open_reviews) for one in found if one] == [
        ("abc", True, True), ("abc", False, True), ("abc", False, False),
    ]  # fmt: skip
    assert {one.definitions_version for one in found if one} == {0}
    assert effect["result"] == {"id": "gid://1", "fulfilment": "gid://1", "parts": []}


async def test_flat_settings_become_the_first_version(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database of an earlier release: what was chosen stays chosen, by vendor and entity."""
    everything = database._migrations()
    monkeypatch.setattr(database, "_migrations", lambda: [one for one in everything if one[0] < "010"])
    await migrate(empty_database_url)
    monkeypatch.undo()
    flat = {
        "order_prefix": "W-", "read_lag_seconds": 3, "metafield_namespace": "ours", "notify_customer": True,
        "carrier_field": "who", "read_back": False, "no_setting": 1,
    }  # fmt: skip
    async with Database.open(empty_database_url, 1) as db:
        await db.execute("insert into connections (name, sealed, settings) values ('demo', '', $1)", flat)
        await db.execute(
            "insert into versions (connection, entity, key, target, version, content_hash) "
            "values ('demo', 'order', '1', 'heartland', now(), 'a')"
        )
        await migrate(empty_database_url)

        definitions = await Definitions(db).get("demo")
        written = await read_version(db, "demo", "order", "1", "heartland")

    assert (definitions.version, written and written.definitions_version) == (1, 1)
    settings_check()(definitions.settings)
    assert changes({}, definitions.settings, settings_model()) == [
        Change("heartland.read_lag_seconds", 10.0, 3),
        Change("heartland.order.order_prefix", "S-", "W-"),
        Change("heartland.fulfilment.carrier_field", "carrier", "who"),
        Change("shopify.metafield_namespace", "tillbridge", "ours"),
        Change("shopify.order.read_back", True, False),
        Change("shopify.fulfilment.notify_customer", False, True),
    ]
