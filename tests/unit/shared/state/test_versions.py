from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.state.versions import Version, gate

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("stored", "version", "content", "expected"),
    [
        pytest.param(None, NOON, "a", "apply", id="nothing was written yet"),
        pytest.param(Version(NOON, "a"), NOON - MINUTE, "b", "stale", id="older than what was written"),
        pytest.param(Version(NOON, "a"), NOON - MINUTE, "a", "stale", id="older, although the same"),
        pytest.param(Version(NOON, "a"), NOON, "a", "duplicate", id="the same once more"),
        pytest.param(Version(NOON, "a"), NOON + MINUTE, "a", "duplicate", id="newer with the same content: an echo"),
        pytest.param(Version(NOON, "a"), NOON, "b", "apply", id="two changes within one tick of the source's clock"),
        pytest.param(Version(NOON, "a"), NOON + MINUTE, "b", "apply", id="newer"),
    ],
)
def test_gate(stored: Version | None, version: datetime, content: str, expected: str) -> None:
    assert gate(stored, version, content) == expected


contents = st.lists(st.sampled_from("abc"), min_size=1, max_size=6)


@given(contents, st.data())
def test_however_versions_are_shuffled_and_doubled_the_newest_stays(made: list[str], data: st.DataObject) -> None:
    """Each version of a record comes once at least, in any order, any of them again."""
    doubled = data.draw(st.lists(st.sampled_from(range(len(made))), max_size=8))
    arrivals = data.draw(st.permutations([*range(len(made)), *doubled]))
    stored: Version | None = None

    for number in arrivals:
        version = Version(NOON + number * MINUTE, made[number])
        verdict = gate(stored, version.version, version.content_hash)
        if verdict == "apply":
            assert stored is None or stored.version <= version.version, "went back"
            stored = version
        elif verdict == "duplicate":
            assert stored is not None
            assert stored.content_hash == version.content_hash
            # As the writers do: what is there already is noted with its newer time.
            stored = max(stored, version, key=lambda one: one.version)
        else:
            assert stored is not None
            assert version.version < stored.version

    assert stored == Version(NOON + (len(made) - 1) * MINUTE, made[-1])
