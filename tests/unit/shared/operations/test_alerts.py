"""Which alerts a number or a kind selects."""

from __future__ import annotations

import pytest

from shared.operations.alerts import select_alerts
from shared.state.alerts import AlertRow
from tests.support.messaging import NOON


def an_alert(number: int, kind: str) -> AlertRow:
    return AlertRow(number, "main", kind, "order", "1", "journal", "warning", "", {}, "open", 1, NOON, NOON)


ALERTS = [an_alert(5, "dead_letter"), an_alert(55, "drift"), an_alert(6, "dead_letter")]


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        ("5", [5]),
        ("dead_letter", [5, 6]),
        ("7", []),
        ("dead", []),
        ("", []),
        ("9" * 40, []),
    ],
)
def test_a_number_or_a_kind_selects(which: str, expected: list[int]) -> None:
    assert [alert.id for alert in select_alerts(ALERTS, which)] == expected
