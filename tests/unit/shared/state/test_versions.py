from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.state.versions import Version, gate, keys_with_other_definitions, read_version

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("stored", "version", "content", "expected"),
    [
        pytest.param(None, NOON, "a", "apply", id="nothing was written yet"),
        pytest.param(Version(NOON, "a"), NOON - MINUTE, "b", "stale", id="older than what was written"),
        pytest.param(Version(NOON, "a"), NOON - MINUTE, "a", "stale", id="older, although the same"),
        pytest.param(Version(NOON, "a"), NOON, "a", "duplicate", id="the same once more"),
        pytest.param(Version(NOON, "a"), NOON + MINUTE, "a", "echo", id="newer with the same content"),
        pytest.param(Version(NOON, "a", blocked=True), NOON, "a", "apply", id="the same, but blocked"),
        pytest.param(Version(NOON, "a", has_open_reviews=True), NOON, "a", "duplicate", id="with an open review"),
        pytest.param(Version(NOON, "a", 3), NOON, "a", "duplicate", id="written with other definitions"),
        pytest.param(Version(NOON, "a"), NOON, "b", "apply", id="two changes within one tick of the source's clock"),
        pytest.param(Version(NOON, "a"), NOON + MINUTE, "b", "apply", id="newer"),
    ],
)
def test_gate(stored: Version | None, version: datetime, content: str, expected: str) -> None:
    assert gate(stored, Version(version, content, 4)) == expected


@pytest.mark.parametrize(
    ("stored", "version", "expected"),
    [
        pytest.param(None, NOON, "apply", id="nothing was written yet"),
        pytest.param(Version(NOON, "a"), NOON - MINUTE, "stale", id="older stays out"),
        pytest.param(Version(NOON, "a"), NOON, "apply", id="the same"),
        pytest.param(Version(NOON, "a"), NOON + MINUTE, "apply", id="newer with the same content"),
        pytest.param(Version(NOON, "a", 3), NOON, "apply", id="re-applied with other definitions"),
    ],
)
def test_what_asks_again_is_applied_unless_it_is_older(
    stored: Version | None, version: datetime, expected: str
) -> None:
    assert gate(stored, Version(version, "a", 4), asks_again=True) == expected


@pytest.mark.parametrize(
    ("stored", "version", "expected"),
    [
        pytest.param(None, NOON, "apply", id="nothing was written yet"),
        pytest.param(Version(NOON, "a", 3), NOON, "apply", id="written with other definitions"),
        pytest.param(Version(NOON, "a", 3), NOON + MINUTE, "apply", id="written with other definitions, changed since"),
        pytest.param(Version(NOON, "a", 3), NOON - MINUTE, "stale", id="older stays out"),
        pytest.param(Version(NOON, "a", 4), NOON, "duplicate", id="written with these definitions meanwhile"),
        pytest.param(Version(NOON, "a", 4), NOON + MINUTE, "echo", id="written with these definitions, touched since"),
        pytest.param(Version(NOON, "a", 5), NOON, "apply", id="written with newer ones that were taken back"),
    ],
)
def test_what_reapplies_is_applied_where_it_was_written_with_other_definitions(
    stored: Version | None, version: datetime, expected: str
) -> None:
    assert gate(stored, Version(version, "a", 4), reapplies=True) == expected


def test_the_same_content_may_have_a_later_time() -> None:
    written = Version(NOON, "a", 3, blocked=False, has_open_reviews=True)

    assert written.at(NOON + MINUTE) == Version(NOON + MINUTE, "a", 3, has_open_reviews=True)


contents = st.lists(st.sampled_from("abc"), min_size=1, max_size=6)


@given(contents, st.data())
def test_however_versions_are_shuffled_and_doubled_the_newest_stays(made: list[str], data: st.DataObject) -> None:
    """Each version of a record comes once at least, in any order, any of them again."""
    doubled = data.draw(st.lists(st.sampled_from(range(len(made))), max_size=8))
    arrivals = data.draw(st.permutations([*range(len(made)), *doubled]))
    stored: Version | None = None

    for number in arrivals:
        version = Version(NOON + number * MINUTE, made[number])
        verdict = gate(stored, version)
        if verdict == "apply":
            assert stored is None or stored.version <= version.version, "went back"
            stored = version
        elif verdict in ("duplicate", "echo"):
            assert stored is not None
            assert stored.content_hash == version.content_hash
            # As the writers do: what is there already is noted with its newer time.
            stored = max(stored, version, key=lambda one: one.version)
        else:
            assert stored is not None
            assert version.version < stored.version

    assert stored == Version(NOON + (len(made) - 1) * MINUTE, made[-1])


def test_a_version_was_written_without_definitions_and_reviews_unless_it_says_so() -> None:
    assert Version(NOON, "a") == Version(NOON, "a", 0, blocked=False, has_open_reviews=False)


class Rows:
    """A database that answers with these rows."""

    def __init__(self, *rows: dict[str, Any]) -> None:
        self.rows = rows
        self.values: tuple[Any, ...] = ()

    async def fetch(self, sql: str, *values: Any) -> Sequence[dict[str, Any]]:
        self.values = values
        return self.rows

    async def fetchrow(self, sql: str, *values: Any) -> dict[str, Any] | None:
        return next(iter(await self.fetch(sql, *values)), None)


async def test_a_version_is_read_with_its_target() -> None:
    columns = {"definitions_version": 3, "blocked": True, "has_open_reviews": True}
    rows: Any = Rows({"version": NOON, "content_hash": "a", **columns})

    assert await read_version(rows, "demo", "order", "11", "heartland") == Version(NOON, "a", 3, True, True)
    assert rows.values == ("demo", "order", "11", "heartland")
    nothing: Any = Rows()
    assert await read_version(nothing, "demo", "order", "11", "heartland") is None


async def test_keys_are_listed_that_were_written_with_other_definitions() -> None:
    rows: Any = Rows({"key": "1"}, {"key": "2"})

    assert await keys_with_other_definitions(rows, "demo", "order", "heartland", [4], since=NOON, limit=9) == ["1", "2"]
    assert rows.values == ("demo", "order", "heartland", [4], "", NOON, 9)
