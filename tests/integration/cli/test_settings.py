"""`tillbridge settings` as a shell sees it, on a real database."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.local.engine import Engine
from shared.runtime.settings import Settings
from shared.state.connections import Connection, ConnectionStore
from shared.state.database import Database
from shared.state.definitions import Definitions
from tests.integration.cli.test_commands import Shell, one_line
from tests.support.engine import service_environ

ACCOUNTS = {
    "SHOPIFY_SHOP_DOMAIN": "harbor.myshopify.com", "SHOPIFY_CLIENT_ID": "app", "SHOPIFY_CLIENT_SECRET": "hush",
    "HEARTLAND_BASE_URL": "https://harbor.retail.heartland.us", "HEARTLAND_API_TOKEN": "token",
}  # fmt: skip
SANDBOX = {"shopify": {"base_url": "http://127.0.0.1:9"}}
FIRST = {"heartland": {"order": {"order_prefix": "W-"}}}


@pytest.fixture
async def shell(engine: Engine, topic_prefix: str, database_url: str, tmp_path: Path) -> Shell:
    opened = Shell(service_environ(engine, topic_prefix=topic_prefix, database_url=database_url), tmp_path)
    settings = Settings.from_env(opened.environ)
    async with Database.open(database_url, 1) as database:
        await ConnectionStore(database, settings.secret_key).put(Connection("main", SANDBOX, FIRST))
    return opened


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    async with Database.open(database_url, 1) as database:
        yield database


async def test_a_change_is_published_with_its_author_and_reason(shell: Shell) -> None:
    words = (
        "heartland.order.note_field=web_note",
        "heartland.order.station_id=7",
        "--unset=heartland.order.order_prefix",
    )

    tried = await shell("settings", "set", *words, "--dry-run")
    assert "changes against version 1" in tried.out
    assert (await shell("settings", "show", "--json")).json["version"] == 1
    told = await shell("settings", "set", *words, "--because", "the stores want it")

    assert "main: version 2 is published" in told.out
    assert 'heartland.order.order_prefix: "W-" -> "S-"' in told.out
    shown = (await shell("settings", "show", "--json")).json
    assert (shown["version"], shown["reason"]) == (2, "the stores want it")
    assert shown["settings"] == {"heartland": {"order": {"note_field": "web_note", "station_id": 7}}}
    asked, done = (await shell("audit", "list", "--json")).json
    assert (asked["action"], asked["object"], asked["details"]["replaces"]) == ("settings.publish", "main", 1)
    assert (done["details"]["state"], done["details"]["version"]) == ("done", 2)


async def test_history_tells_what_each_version_changed_and_an_old_one_can_come_back(shell: Shell) -> None:
    await shell("settings", "set", "heartland.order.order_prefix=X-", "--because", "a trial")
    back = await shell("settings", "set", "--from-version", "1", "--because", "the trial is over")

    assert "main: version 3 is published" in back.out
    history = (await shell("settings", "history", "--json")).json
    changes = [[(one["path"], one["before"], one["after"]) for one in row["changes"]] for row in history]
    assert [row["version"] for row in history] == [3, 2, 1]
    assert changes == [
        [("heartland.order.order_prefix", "X-", "W-")],
        [("heartland.order.order_prefix", "W-", "X-")],
        [("heartland.order.order_prefix", "S-", "W-")],
    ]
    assert "main, version 2, published" in (await shell("settings", "history")).out


async def test_show_prints_what_is_set_or_everything(shell: Shell) -> None:
    shown = (await shell("settings", "show")).out
    everything = (await shell("settings", "show", "--all")).out

    assert 'heartland.order.order_prefix = "W-"' in shown
    assert "tip_sku" not in shown
    assert 'heartland.order.tip_sku = "TIP"' in everything


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("set", "heartland.order.order_prefx=X"), 'did you mean "heartland.order.order_prefix"?'),
        (("set", "--unset", "heartland.order.order_prefx"), 'did you mean "heartland.order.order_prefix"?'),
        (("set", "heartland.order.station_id=till"), "heartland.order.station_id: Input should be a valid integer"),
        (("set", "heartland.order"), "'heartland.order' is no path=value"),
        (("set",), "say what to change"),
        (("set", "--from-version", "9"), "connection main has no settings version 9; the newest is 1"),
        (("set", "--file", "none.json"), "none.json cannot be read"),
        (("set", "x=1", "--connection", "nobody"), "there is no connection nobody"),
        (("show", "--version", "9"), "connection main has no settings version 9; the newest is 1"),
        (("show", "--connection", "nobody"), "there is no connection nobody"),
        (("history", "--connection", "nobody"), "there is no connection nobody"),
    ],
)
async def test_bad_input_is_refused_in_one_line(
    shell: Shell, db: Database, words: tuple[str, ...], complaint: str
) -> None:
    because = ("--because", "x") if words[0] == "set" else ()

    answer = await shell("settings", *words, *because)

    assert (answer.code, one_line(answer.err)) == (1, True)
    assert complaint in answer.err
    assert (await Definitions(db).get("main")).version == 1


async def test_a_change_needs_a_reason(shell: Shell) -> None:
    assert "--because is required" in (await shell("settings", "set", "heartland.order.order_prefix=X-")).err
    assert "--because is required" in (await shell("settings", "reapply")).err


async def test_a_file_replaces_all_settings(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text(json.dumps({"heartland": {"read_lag_seconds": 2}}))

    await shell("settings", "set", "--file", "mine.json", "--because", "from the repository")

    shown = (await shell("settings", "show", "--json")).json
    assert shown["settings"] == {"heartland": {"read_lag_seconds": 2}}


async def test_where_nothing_was_written_there_is_nothing_to_reapply(shell: Shell) -> None:
    answer = await shell("settings", "reapply", "--dry-run")

    assert (answer.code, answer.out) == (0, "")
    assert "no record of that time was written with settings that differ for it" in answer.err


async def test_connecting_again_keeps_what_the_merchant_set(shell: Shell, tmp_path: Path) -> None:
    await shell("settings", "set", "heartland.order.note_field=web_note", "--because", "x")
    await shell("connect", "--sandbox", "http://127.0.0.1:9")
    kept = (await shell("settings", "show", "--json")).json
    (tmp_path / "mine.json").write_text(json.dumps(FIRST))

    with_file = Shell({**shell.environ, "CONNECTION_SETTINGS_FILE": "mine.json"}, shell.folder)
    told = await with_file("connect", "--sandbox", "http://127.0.0.1:9")

    assert (kept["version"], kept["settings"]["heartland"]["order"]["note_field"]) == (2, "web_note")
    published = (await shell("settings", "show", "--json")).json
    assert (published["version"], published["settings"]["heartland"]["order"]) == (
        3, {"source_location": "Online", "order_prefix": "W-"},
    )  # fmt: skip
    assert "connection main: version 3 of the settings is published; " in told.out
    assert 'heartland.order.note_field: "web_note" -> ""' in told.out
    entries = (await shell("audit", "list", "--json")).json
    assert [(one["action"], one["details"]["state"]) for one in entries[-2:]] == [
        ("settings.publish", "requested"), ("settings.publish", "done"),
    ]  # fmt: skip
    assert entries[-1]["details"]["version"] == 3

    # The same effective values, with a default spelled out: nothing is published, and no row is written.
    (tmp_path / "mine.json").write_text(json.dumps({"heartland": {"order": {"order_prefix": "W-", "note_field": ""}}}))
    again = await with_file("connect", "--sandbox", "http://127.0.0.1:9")

    assert "is published" not in again.out
    assert (await shell("settings", "show", "--json")).json["version"] == 3
    assert (await shell("audit", "list", "--json")).json == entries


async def test_every_setting_is_described(shell: Shell) -> None:
    described = (await shell("settings", "describe", "--json")).json

    assert {"path", "kind", "default", "says"} == set(described[0])
    assert "heartland.order.order_prefix" in [one["path"] for one in described]
    assert "heartland.order.order_prefix" in (await shell("settings", "describe")).out


async def test_exported_settings_give_another_connection_the_same(shell: Shell, db: Database, tmp_path: Path) -> None:
    settings = Settings.from_env(shell.environ)
    await ConnectionStore(db, settings.secret_key).put(
        Connection("second", SANDBOX, {"heartland": {"read_lag_seconds": 1}})
    )
    exported = (await shell("settings", "show", "--json")).json["settings"]
    (tmp_path / "exported.json").write_text(json.dumps(exported))

    await shell("settings", "set", "--connection", "second", "--file", "exported.json", "--because", "as the first")

    whole = [await shell("settings", "show", "--all", "--json", "--connection", name) for name in ("main", "second")]
    assert whole[0].json["settings"] == whole[1].json["settings"]
    assert whole[0].json["settings"]["heartland"]["order"]["order_prefix"] == "W-"


async def test_text_stays_text_and_an_unknown_stored_key_can_be_removed(shell: Shell, db: Database) -> None:
    await db.execute("update definitions set settings = jsonb_set(settings, '{heartland,order,old_key}', '1')")
    shown = (await shell("settings", "show")).out
    assert (
        "heartland.order.old_key: unknown; `tillbridge settings set --unset heartland.order.old_key` removes it"
        in shown
    )

    await shell("settings", "set", "--unset", "heartland.order.old_key", "--because", "x")
    assert (await Definitions(db).get("main")).settings == FIRST
    await shell("settings", "set", "heartland.order.source_location=12", "--because", "x")

    settings = (await Definitions(db).get("main")).settings
    assert settings == {"heartland": {"order": {"order_prefix": "W-", "source_location": "12"}}}


async def test_what_finds_written_records_again_is_fixed_once_there_are_any(shell: Shell, db: Database) -> None:
    words = ("settings", "set", "heartland.order.order_id_field=web_id", "--because", "x")
    await db.execute(
        "insert into effects (connection, effect_id, system, entity, key, operation, state) "
        "values ('main', '1', 'heartland', 'order', '1', 'order:create', 'sent')"
    )

    refused = await shell(*words)
    (shell.folder / "mine.json").write_text(json.dumps({"heartland": {"order": {"line_id_field": "web_line"}}}))
    by_file = await Shell({**shell.environ, "CONNECTION_SETTINGS_FILE": "mine.json", **ACCOUNTS}, shell.folder)(
        "connect"
    )

    assert one_line(refused.err)
    assert "heartland.order.order_id_field cannot change any more" in refused.err
    assert "heartland.order.line_id_field cannot change any more" in by_file.err
    assert (await Definitions(db).get("main")).version == 1
