"""Open dead letters are those kept, less those that were dealt with."""

from __future__ import annotations

from shared.operations.dead_letters.count import still_kept


def test_what_was_dealt_with_and_has_left_its_topic_is_not_taken_off_again() -> None:
    letters = ["journal:0:4", "journal:0:5", "journal:1:0", "ingress:0:9"]

    assert still_kept(letters, {("journal", 0): 5, ("journal", 1): 0, ("ingress", 0): 10}) == {
        "journal": 2,
        "ingress": 0,
    }
