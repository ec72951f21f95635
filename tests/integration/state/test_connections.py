from __future__ import annotations

import base64

import pytest
import structlog
from structlog.testing import capture_logs

from shared.errors import Misconfigured
from shared.state.connections import Connection, ConnectionStore, open_connections
from shared.state.database import Database
from tests.support.processes import until
from tests.support.shell import SECRET_KEY, some_settings

OTHER_KEY = base64.b64encode(bytes(32)).decode()
DEMO = Connection("demo", {"shopify": {"access_token": "shpat_secret"}}, {"tip_sku": "TIP"})
FRESH = some_settings(connections_refresh_seconds=0.02)


async def test_a_connection_comes_back_as_it_was_stored(db: Database) -> None:
    store = ConnectionStore(db, SECRET_KEY)
    await store.put(Connection("demo", {"shopify": {"access_token": "old"}}))
    await store.put(DEMO)

    assert await store.all() == [DEMO]


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
    async with open_connections(db, FRESH, structlog.get_logger()) as view:
        before = view.get("demo")
        await store.put(Connection("second", {}))
        await until(lambda: "second" in view.names())

        assert view.get("demo") is before


async def test_the_last_good_view_outlives_rows_that_cannot_be_read(db: Database) -> None:
    await ConnectionStore(db, SECRET_KEY).put(DEMO)
    with capture_logs() as logs:
        async with open_connections(db, FRESH, structlog.get_logger()) as view:
            await ConnectionStore(db, OTHER_KEY).put(DEMO)
            await until(lambda: any(line["event"] == "a connection cannot be read" for line in logs))

            assert view.get("demo") == DEMO


async def test_the_last_good_view_outlives_the_database(db: Database, database_url: str) -> None:
    await ConnectionStore(db, SECRET_KEY).put(DEMO)
    with capture_logs() as logs:
        async with (
            Database.open(database_url, 1) as lost,
            open_connections(lost, FRESH, structlog.get_logger()) as view,
        ):
            lost.pool.terminate()
            await until(lambda: any(line["event"] == "connections are as last read" for line in logs))

            assert view.get("demo") == DEMO
