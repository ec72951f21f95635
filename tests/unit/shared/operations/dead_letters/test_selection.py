from __future__ import annotations

from datetime import timedelta

import pytest

from shared.operations.dead_letters.selection import Selection, causes, choose, generic_reason
from shared.state.dead_letter_status import Fate
from tests.support.messaging import NOON
from tests.unit.shared.operations.dead_letters.letters import a_letter

ONE = a_letter(1, subject="1001", reason="no such tender 'LAYAWAY'")
TWO = a_letter(2, subject="1002", reason="no such tender 'CHECK'", body=b'{"name":"#2002"}')
THREE = a_letter(3, subject="1003", service="transformers", connection="other", reason="not an order")
FATES = {THREE.id: Fate("discarded")}


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        pytest.param(Selection(), [ONE, TWO], id="what is open"),
        pytest.param(Selection(state="all"), [ONE, TWO, THREE], id="whatever became of it"),
        pytest.param(Selection(state="discarded"), [THREE], id="what was discarded"),
        pytest.param(Selection(service="transformers", state="all"), [THREE], id="of one service"),
        pytest.param(Selection(connection="other", state="all"), [THREE], id="of one connection"),
        pytest.param(Selection(reason="layaway"), [ONE], id="by its reason, in any case"),
        pytest.param(Selection(entity="refund"), [], id="of another entity"),
        pytest.param(Selection(order="1001"), [ONE], id="by the order's id"),
        pytest.param(Selection(order="#2002"), [TWO], id="by the order's number"),
        pytest.param(Selection(order="3001", keys=frozenset({"1002"})), [TWO], id="by an id that the journal knows"),
        pytest.param(Selection(order="3001", keys=frozenset({"x"})), [], id="by ids that no letter has"),
        pytest.param(Selection(order="200"), [], id="a part of a number is no number"),
        pytest.param(Selection(since=NOON + timedelta(minutes=2)), [TWO], id="since a time"),
        pytest.param(Selection(until=NOON + timedelta(minutes=1)), [ONE], id="up to a time"),
        pytest.param(Selection(ids=(TWO.id,)), [TWO], id="by its id"),
        pytest.param(Selection(ids=(ONE.event_id,)), [ONE, TWO], id="by the event's id"),
    ],
)
def test_letters_are_chosen(selection: Selection, expected: list[object]) -> None:
    assert choose([ONE, TWO, THREE], FATES, selection) == expected


def test_letters_that_failed_alike_are_one_cause_the_most_frequent_first() -> None:
    first, second = causes([THREE, ONE, TWO])

    assert (first.reason, len(first.letters), first.first, first.last) == ("no such tender …", 2, ONE.at, TWO.at)
    assert first.example == TWO.id
    assert second.service == "transformers"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("order 5001 is off by 1.00 EUR", "order 77 is off by -0.01 EUR"),
        ("no item 'TEE-1'", "no item 'MUG'"),
        ("#1001 cannot be read", "#9 cannot be read"),
    ],
)
def test_what_differs_between_two_of_a_kind_is_left_out(one: str, other: str) -> None:
    assert generic_reason(one) == generic_reason(other)


def test_different_reasons_stay_apart() -> None:
    assert generic_reason("no such tender") != generic_reason("no such item")
