"""Which parked keys are meant, and which dead letters are theirs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.cli.parked import summary
from shared.messaging.dead_letters.reader import DROPPED, fate_of
from shared.operations.dead_letters.selection import Selection, choose
from shared.operations.parked import ParkedSelection, dead_letters_of
from shared.state.dead_letter_status import Fate
from shared.state.overview import ParkedRow
from tests.support.messaging import NOON
from tests.unit.shared.operations.dead_letters.letters import a_letter

ROW = ParkedRow(
    "heartland_writer", "p.canonical.order", "main", "order", "main|1001", "halted", "why", None, 5, 2, NOON, NOON
)


@pytest.mark.parametrize(
    ("keys", "service", "is_meant"),
    [
        pytest.param(("main|1001",), "", True, id="the whole key"),
        pytest.param(("1001",), "", True, id="the id alone"),
        pytest.param(("main",), "", False, id="what a shell leaves of a key without quotes"),
        pytest.param(("1001",), "shopify_writer", False, id="in another service"),
    ],
)
def test_which_keys_are_meant(keys: tuple[str, ...], service: str, is_meant: bool) -> None:
    assert ParkedSelection(keys, service=service).takes(ROW) is is_meant


def test_what_would_be_given_up_is_said() -> None:
    assert "'main|1001' (order) of heartland_writer: 2 records" in summary([ROW])


def test_the_dead_letters_of_a_key_are_those_of_its_used_up_tries() -> None:
    own = a_letter()
    own = replace(own, headers=(*own.headers, ("x-dlq-retriable", b"true")))
    other = replace(own, headers=(*own.headers, ("ce_subject", b"1002")))
    never = a_letter(1)

    assert dead_letters_of(ROW, [own, other, never], {}) == [own]
    assert dead_letters_of(ROW, [own], {own.id: Fate("replayed")}) == []
    assert dead_letters_of(replace(ROW, service="shopify_writer"), [own], {}) == []
    assert dead_letters_of(replace(ROW, topic="p.raw"), [own], {}) == []


def test_what_was_dropped_by_hand_is_discarded_from_the_start() -> None:
    letter = a_letter(error_class=DROPPED)

    assert fate_of(letter, {}).state == "discarded"
    assert choose([letter], {}, Selection()) == []
    assert choose([letter], {letter.id: Fate("replayed")}, Selection(state="replayed")) == [letter]
