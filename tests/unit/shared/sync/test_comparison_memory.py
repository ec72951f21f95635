"""What passes remember of each other."""

from __future__ import annotations

from datetime import timedelta

from shared.sync.comparison_memory import Memory
from tests.support.messaging import NOON
from tests.unit.shared.entities.order.compare.orders import in_agreement, there

SECOND = timedelta(seconds=1)
SEEN = there(in_agreement(), changed_at=NOON + SECOND)


def test_an_order_that_agreed_is_not_looked_at_again_until_a_side_changes_it() -> None:
    memory = Memory()
    memory.agreed[SEEN.key] = SEEN.stamps
    key = SEEN.order.id

    assert memory.is_known_here(key, NOON)
    assert memory.is_known_there(key, NOON + SECOND)
    assert not memory.is_known_here(key, NOON + SECOND)
    assert not memory.is_known_there(key, NOON + 2 * SECOND)
    assert not memory.is_known_here("other", NOON)
    assert not memory.is_known_there("other", NOON)


def test_what_no_listing_can_show_again_is_forgotten() -> None:
    memory = Memory()
    memory.agreed[SEEN.key] = SEEN.stamps

    memory.forget(NOON + SECOND)
    assert list(memory.agreed) == [SEEN.order.id]
    memory.forget(NOON + 2 * SECOND)
    assert memory.agreed == {}
