"""Published versions of a connection's settings, in the real database."""

from __future__ import annotations

import asyncio

import pytest

from shared.errors import Rejected
from shared.state.connections import Connection, ConnectionStore
from shared.state.database import Database
from shared.state.definitions import Definitions
from tests.support.shell import SECRET_KEY

FIRST = {"heartland": {"order": {"order_prefix": "A-"}}}
SECOND = {"heartland": {"order": {"order_prefix": "B-"}}}


@pytest.fixture
async def definitions(db: Database) -> Definitions:
    await ConnectionStore(db, SECRET_KEY).put(Connection("demo", {}, FIRST))
    return Definitions(db)


async def publish(definitions: Definitions, replaces: int = 1) -> int:
    return await definitions.publish("demo", SECOND, replaces=replaces, author="jo", reason="the stores sort by it")


async def test_a_published_version_is_in_use_at_once(definitions: Definitions, db: Database) -> None:
    assert await publish(definitions) == 2

    [connection] = await ConnectionStore(db, SECRET_KEY).all()
    assert (connection.settings, connection.definitions_version) == (SECOND, 2)
    in_use = await definitions.get("demo")
    assert (in_use.version, in_use.settings, in_use.author, in_use.reason) == (2, SECOND, "jo", "the stores sort by it")


async def test_earlier_versions_stay_as_they_were(definitions: Definitions) -> None:
    await publish(definitions)

    assert [(one.version, one.settings) for one in await definitions.history("demo")] == [(2, SECOND), (1, FIRST)]
    assert (await definitions.get("demo", 1)).settings == FIRST


async def test_of_two_who_publish_at_once_one_is_refused(definitions: Definitions) -> None:
    answers = await asyncio.gather(*(publish(definitions) for _ in range(2)), return_exceptions=True)

    assert [answer for answer in answers if answer == 2] == [2]
    [refused] = [answer for answer in answers if isinstance(answer, Rejected)]
    assert "version 2 was published by jo meanwhile" in refused.reason


@pytest.mark.parametrize(("connection", "version", "reason"), [
    ("demo", 7, "connection demo has no settings version 7; the newest is 1"),
    ("nobody", None, "there is no connection nobody"),
    ("nobody", 1, "there is no connection nobody"),
])  # fmt: skip
async def test_a_version_that_does_not_exist_is_refused(
    definitions: Definitions, connection: str, version: int | None, reason: str
) -> None:
    with pytest.raises(Rejected, match=reason):
        await definitions.get(connection, version)


async def test_an_unknown_connection_has_neither_history_nor_versions(definitions: Definitions) -> None:
    with pytest.raises(Rejected, match="there is no connection nobody"):
        await definitions.history("nobody")
    with pytest.raises(Rejected, match="there is no connection nobody"):
        await definitions.publish("nobody", {}, replaces=0, author="jo", reason="")
