from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

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
