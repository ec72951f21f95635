from __future__ import annotations

import base64
from dataclasses import replace

import pytest
import structlog
from structlog.testing import capture_logs

from shared.entities.settings_model import settings_check
from shared.errors import Misconfigured
from shared.state.connections import Connection, ConnectionStore, accept_all, open_connections
from shared.state.database import Database
from tests.support.processes import until
from tests.support.shell import SECRET_KEY, some_settings

OTHER_KEY = base64.b64encode(bytes(32)).decode()
SETTINGS = {"heartland": {"order": {"tip_sku": "TIP"}}}
DEMO = Connection("demo", {"shopify": {"access_token": "shpat_secret"}}, SETTINGS, 1)
FRESH = some_settings(connections_refresh_seconds=0.02)


async def test_a_connection_comes_back_as_it_was_stored(db: Database) -> None:
    store = ConnectionStore(db, SECRET_KEY)
    await store.put(Connection("demo", {"shopify": {"access_token": "old"}}, SETTINGS))
    await store.put(DEMO)

    assert await store.all() == [DEMO]


async def test_other_settings_become_another_version(db: Database) -> None:
    store = ConnectionStore(db, SECRET_KEY)
    await store.put(DEMO)
    other = replace(DEMO, settings={"heartland": {"read_lag_seconds": 1}})

    await store.put(other, keep_settings=True)
    assert await store.all() == [DEMO]
    await store.put(other)

    assert await store.all() == [replace(other, definitions_version=2)]


async def test_settings_that_cannot_be_used_are_refused_before_they_are_stored(db: Database) -> None:
    store = ConnectionStore(db, SECRET_KEY, settings_check())
    with pytest.raises(Misconfigured, match=r'"heartland\.tip_sku", did you mean "heartland\.order\.tip_sku"'):
        await store.put(replace(DEMO, settings={"heartland": {"tip_sku": "TIP"}}))

    assert await store.all() == []


async def test_stored_settings_with_an_unknown_key_stop_a_service_at_its_start(db: Database) -> None:
    await ConnectionStore(db, SECRET_KEY).put(replace(DEMO, settings={"heartland": {"tip_sku": "TIP"}}))

    with pytest.raises(Misconfigured, match=r'connection demo: connection settings: unknown key "heartland\.tip_sku"'):
        async with open_connections(db, FRESH, structlog.get_logger(), check=settings_check()):
            pass


async def test_the_last_good_settings_outlive_bad_ones(db: Database) -> None:
    await ConnectionStore(db, SECRET_KEY).put(DEMO)
    with capture_logs() as logs:
        async with open_connections(db, FRESH, structlog.get_logger(), check=settings_check()) as view:
            await ConnectionStore(db, SECRET_KEY).put(replace(DEMO, settings={"nothing": 1}))
            await until(lambda: any(line["event"] == "a connection cannot be read" for line in logs))

            assert view.get("demo") == DEMO


@pytest.mark.capability("S35")
async def test_credentials_are_neither_printed_nor_readable_in_the_table(db: Database) -> None:
    await ConnectionStore(db, SECRET_KEY).put(DEMO)

    (row,) = await db.fetch("select sealed from connections")

    assert "shpat_secret" not in repr(DEMO)
    assert b"shpat_secret" not in row["sealed"]


async def test_another_key_is_said_in_one_line(db: Database) -> None:
    await ConnectionStore(db, SECRET_KEY).put(DEMO)

    with pytest.raises(Misconfigured, match="SECRET_KEY does not open the credentials of connection 'demo'") as error:
        await ConnectionStore(db, OTHER_KEY).all()

    assert "\n" not in error.value.reason


async def test_a_row_moved_to_another_name_does_not_open(db: Database) -> None:
    store = ConnectionStore(db, SECRET_KEY)
    await store.put(DEMO)
    await db.execute("insert into definitions select 'thief', version, settings, author, reason from definitions")
    await db.execute("update connections set name = 'thief'")

    with pytest.raises(Misconfigured, match="'thief'"):
        await store.all()


@pytest.mark.parametrize("name", ["", "a|b", "a/b", "x" * 65, "ä"])
async def test_a_name_that_would_break_keys_is_refused(db: Database, name: str) -> None:
    with pytest.raises(Misconfigured):
        await ConnectionStore(db, SECRET_KEY).put(Connection(name, {}))


@pytest.mark.capability("S35")
async def test_the_view_follows_the_table_and_keeps_what_did_not_change(db: Database) -> None:
    store = ConnectionStore(db, SECRET_KEY)
    await store.put(DEMO)
    async with open_connections(db, FRESH, structlog.get_logger(), check=accept_all) as view:
        before = view.get("demo")
        await store.put(Connection("second", {}))
        await until(lambda: "second" in view.names())

        assert view.get("demo") is before


async def test_the_last_good_view_outlives_rows_that_cannot_be_read(db: Database) -> None:
    await ConnectionStore(db, SECRET_KEY).put(DEMO)
    with capture_logs() as logs:
        async with open_connections(db, FRESH, structlog.get_logger(), check=accept_all) as view:
            await ConnectionStore(db, OTHER_KEY).put(DEMO)
            await until(lambda: any(line["event"] == "a connection cannot be read" for line in logs))

            assert view.get("demo") == DEMO


async def test_the_last_good_view_outlives_the_database(db: Database, database_url: str) -> None:
    await ConnectionStore(db, SECRET_KEY).put(DEMO)
    with capture_logs() as logs:
        async with (
            Database.open(database_url, 1) as lost,
            open_connections(lost, FRESH, structlog.get_logger(), check=accept_all) as view,
        ):
            lost.pool.terminate()
            await until(lambda: any(line["event"] == "connections are as last read" for line in logs))

            assert view.get("demo") == DEMO
