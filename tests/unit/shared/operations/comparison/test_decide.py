"""When a difference is acted upon: seen twice, apart, certain, and within the caps."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.entities.order.compare.stored_state import is_in_flight
from shared.operations.comparison.decide import Caps, decide
from shared.state.drift import Drift
from tests.support.messaging import NOON

APART = timedelta(seconds=60)
CAPS = Caps(2, Decimal(100))
LATER = NOON + timedelta(seconds=90)
ROW = Drift(
    1, "main", "order", "1001", "order_missing", "open", "not there", Decimal(40), "USD", True, {}, None, 2, 0, NOON,
    LATER,
)  # fmt: skip


def row(**changes: object) -> Drift:
    return replace(ROW, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seen", "repaired", "reviewed"),
    [
        pytest.param(row(), True, False, id="seen twice, long enough apart"),
        pytest.param(row(looks=1), False, False, id="seen once"),
        pytest.param(row(last_seen=NOON + timedelta(seconds=59)), False, False, id="seen twice in a moment"),
        pytest.param(row(repairable=False), False, True, id="nobody knows what is right"),
        pytest.param(row(state="review"), False, False, id="a person was asked"),
        pytest.param(row(state="ignored"), False, False, id="a person said to let it be"),
        pytest.param(row(state="repairing", repairs=1), False, False, id="its repair is on its way"),
        pytest.param(row(state="repairing", repairs=1, looks=4), False, False, id="its repair had little time"),
        pytest.param(
            row(state="repairing", repairs=1, looks=4, first_seen=NOON - APART), True, False, id="its repair failed"
        ),
        pytest.param(
            row(state="repairing", repairs=3, looks=9, first_seen=NOON - 9 * APART),
            False,
            True,
            id="no repair helps",
        ),
    ],
)
def test_one_difference(seen: Drift, repaired: bool, reviewed: bool) -> None:
    decision = decide([seen], LATER, APART, CAPS)

    assert (bool(decision.repair), bool(decision.review), decision.above_cap) == (repaired, reviewed, False)


@pytest.mark.parametrize(
    "rows",
    [[row(id=n) for n in range(3)], [row(at_risk=Decimal("100.01"))]],
    ids=["too many at once", "too much money at once"],
)
def test_above_a_cap_nothing_is_repaired(rows: list[Drift]) -> None:
    decision = decide(rows, LATER, APART, CAPS)

    assert (decision.repair, decision.above_cap) == ((), True)


@pytest.mark.parametrize(
    ("recent", "above"),
    [
        pytest.param([row(id=8, state="repaired", repairs=1)], False, id="one, as the caps allow"),
        pytest.param([row(id=8, state="repaired"), row(id=9, state="repairing")], True, id="as many as the caps allow"),
        pytest.param([row(id=8, state="gone", at_risk=Decimal("60.01"))], True, id="as much money as the caps allow"),
        pytest.param([row(id=1), row(id=8, state="repaired")], False, id="one of them the same once more"),
    ],
)
def test_what_was_repaired_within_the_window_counts(recent: list[Drift], above: bool) -> None:
    assert decide([row()], LATER, APART, CAPS, recent).above_cap is above
    assert not decide([row(looks=1)], LATER, APART, CAPS, recent).above_cap


@given(st.lists(st.builds(row, looks=st.integers(1, 5), at_risk=st.decimals("0", "60", places=2)), max_size=6))
def test_what_is_repaired_is_always_within_the_caps(rows: list[Drift]) -> None:
    decision = decide(rows, LATER, APART, CAPS)

    assert len(decision.repair) <= CAPS.count
    assert sum(one.at_risk for one in decision.repair) <= CAPS.at_risk
    assert all(one.looks >= 2 for one in decision.repair)


@pytest.mark.parametrize(
    ("received", "ended", "answer"),
    [
        (None, None, False),
        (NOON, None, True),
        (NOON, NOON - timedelta(seconds=1), True),
        (NOON, NOON + timedelta(seconds=1), False),
        (NOON - timedelta(hours=2), None, False),
    ],
    ids=["never seen", "came in", "came in again", "ended", "came in long ago: it is lost"],
)
def test_what_is_on_its_way(received: datetime | None, ended: datetime | None, answer: bool) -> None:
    assert is_in_flight(received, ended, LATER, timedelta(hours=1)) is answer
