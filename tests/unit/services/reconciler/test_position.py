"""Where sweeps and full passes read from."""

from __future__ import annotations

from datetime import timedelta

from services.reconciler.position import Position
from tests.support.messaging import NOON

DAY, HOUR, OVERLAP = timedelta(days=1), timedelta(hours=1), timedelta(minutes=15)
REACH = timedelta(days=60)
BEGUN = Position.begin(NOON)


def test_the_first_sweep_goes_back_a_day_and_the_next_ones_a_little() -> None:
    swept = BEGUN.swept(NOON)

    assert BEGUN.since(OVERLAP) == NOON - DAY
    assert swept.since(OVERLAP) == NOON - OVERLAP
    assert swept.since(2 * DAY) == NOON - DAY


def test_a_full_pass_begins_when_its_day_has_come_and_goes_on_where_it_was() -> None:
    begun = BEGUN.full_pass(NOON, DAY, REACH)
    later = begun.sliced(NOON - HOUR).full_pass(NOON + HOUR, DAY, REACH)

    assert (begun.at, begun.until) == (NOON - DAY, NOON)
    assert (later.at, later.until) == (NOON - HOUR, NOON)


def test_a_full_pass_that_is_over_comes_again_a_day_after_it_began() -> None:
    over = BEGUN.full_pass(NOON, DAY, REACH).sliced(None)

    assert (over.at, over.until, over.full_at) == (None, None, NOON)
    assert over.full_pass(NOON + DAY - HOUR, DAY, REACH) == over
    assert over.full_pass(NOON + DAY, DAY, HOUR).at == NOON + DAY - HOUR


def test_a_position_is_stored_as_it_is() -> None:
    for position in (BEGUN, BEGUN.swept(NOON), BEGUN.full_pass(NOON, DAY, REACH).sliced(NOON)):
        assert Position.read(position.stored()) == position
