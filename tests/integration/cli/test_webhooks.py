"""`tillbridge webhooks` as a shell sees it, against the sandbox's shop."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from deploy.local.engine import Engine
from shared.runtime.settings import Settings
from shared.state.connections import Connection, ConnectionStore
from shared.state.database import Database
from tests.integration.cli.test_commands import Shell, one_line, shell  # noqa: F401 - a fixture
from tests.integration.poller.harness import credentials
from tests.support.sandbox import Sandbox, open_sandbox


@pytest.fixture
async def sandbox(shell: Shell, engine: Engine) -> AsyncIterator[Sandbox]:  # noqa: F811
    settings = Settings.from_env(shell.environ)
    async with open_sandbox() as opened, Database.open(settings.database_url, 1) as database:
        await ConnectionStore(database, settings.secret_key).put(Connection("main", credentials(opened)))
        yield opened


async def test_what_is_missing_is_shown_then_made_and_then_nothing_is_left_to_do(
    shell: Shell,  # noqa: F811
    sandbox: Sandbox,
) -> None:
    reachable = Shell({**shell.environ, "INGRESS_PUBLIC_URL": "https://hooks.example.com"}, shell.folder)
    rehearsed = await reachable("webhooks", "sync", "--dry-run", "--json")
    assert {row["step"] for row in rehearsed.json[0]["steps"]} == {"create"}
    assert (await sandbox.control("GET", "/shopify/subscriptions"))["subscriptions"] == []

    done = await reachable("webhooks", "sync")
    assert done.code == 0, done.err
    assert "the poller now reads the orders that changed" in done.out.replace("\n", " ")
    listed = await reachable("webhooks", "list", "--connection", "main", "--json")
    assert {row["step"] for row in listed.json[0]["steps"]} == {"keep"}
    assert {row["uri"] for row in listed.json[0]["steps"]} == {"https://hooks.example.com/webhooks/shopify/main"}
    assert {row["api_version"] for row in listed.json[0]["steps"]} == {"2026-10"}


async def test_without_an_address_or_a_connection_it_says_so_in_one_line(
    shell: Shell,  # noqa: F811
    sandbox: Sandbox,
) -> None:
    reachable = Shell({**shell.environ, "INGRESS_PUBLIC_URL": "https://hooks.example.com"}, shell.folder)
    nowhere, unknown = await shell("webhooks", "sync"), await reachable("webhooks", "list", "--connection", "other")

    assert (nowhere.code, unknown.code) == (1, 1)
    assert one_line(nowhere.err)
    assert "INGRESS_PUBLIC_URL" in nowhere.err
    assert one_line(unknown.err)
