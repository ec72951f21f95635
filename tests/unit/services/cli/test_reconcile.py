"""What a pass by hand says of what it did not send through."""

from __future__ import annotations

from services.cli.reconcile import remarks
from shared.operations.comparison.passes import Outcome
from tests.unit.shared.operations.comparison.test_decide import row


def test_it_says_why_less_was_sent_through_than_differs() -> None:
    lines = remarks(Outcome(found=[row(looks=1), row()], above_cap=True, unread={"5001": "it is too long"}))

    assert ["above the hourly caps" in lines[0], "second comparison" in lines[1], lines[2]] == [
        True,
        True,
        "1 records could not be read: 5001",
    ]


def test_of_what_was_seen_before_and_sent_through_there_is_nothing_to_say() -> None:
    assert remarks(Outcome(found=[row()], repaired=[row()])) == []
