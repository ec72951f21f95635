from __future__ import annotations

from decimal import Decimal

import asyncpg
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Misconfigured, TargetDown
from shared.state.database import Database, clean, mapped_errors, to_json, touched


@given(st.text())
def test_any_text_without_nul_keeps_its_value_in_json(text: str) -> None:
    stored = to_json({"text": text})

    assert orjson.loads(stored)["text"] == text.replace("\x00", "\ufffd")


def test_money_travels_as_text() -> None:
    assert to_json({"amount": Decimal("1.10")}) == b'{"amount":"1.10"}'


@pytest.mark.parametrize("text", ["plain", "Grüße", "a\x00b", "half \ud800 pair"])
def test_cleaned_text_is_what_postgresql_takes(text: str) -> None:
    assert b"\x00" not in clean(text).encode()


@pytest.mark.parametrize(("status", "rows"), [("UPDATE 3", 3), ("INSERT 0 2", 2), ("CREATE TABLE", 0)])
def test_rows_touched(status: str, rows: int) -> None:
    assert touched(status) == rows


@pytest.mark.parametrize(
    "error",
    [ConnectionRefusedError, TimeoutError, asyncpg.ConnectionDoesNotExistError, asyncpg.AdminShutdownError,
     asyncpg.CannotConnectNowError, asyncpg.TooManyConnectionsError, asyncpg.DeadlockDetectedError],
)  # fmt: skip
def test_a_database_that_is_away_is_target_down(error: type[Exception]) -> None:
    with pytest.raises(TargetDown), mapped_errors():
        raise error("gone")


def test_a_mistake_of_ours_stays_what_it_is() -> None:
    with pytest.raises(asyncpg.UndefinedTableError), mapped_errors():
        raise asyncpg.UndefinedTableError("no such table")


async def test_nobody_there_is_target_down() -> None:
    with pytest.raises(TargetDown):
        async with Database.open("postgresql://u@127.0.0.1:1/x", 1):
            pass


@pytest.mark.parametrize("url", ["mysql://u@h/x", "nonsense"])
async def test_a_url_that_is_none_is_misconfigured(url: str) -> None:
    with pytest.raises(Misconfigured, match="DATABASE_URL"):
        async with Database.open(url, 1):
            pass
