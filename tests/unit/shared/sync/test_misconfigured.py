"""A connection whose set-up is unclear holds its own orders back, and nobody else's."""

from __future__ import annotations

import pytest

from shared.errors import TargetDown
from tests.support.orders import an_order
from tests.unit.shared.entities.order.to_heartland.shop import Shop

REVIEW = ("acme", "connection_misconfigured", "connection", "acme")


async def unclear() -> Shop:
    """Nothing says where web orders are booked."""
    shop = Shop()
    shop.heartland.made_locations = []
    for _ in range(3):
        with pytest.raises(TargetDown, match="Set source_location_id") as caught:
            await shop.deliver(an_order())
        assert caught.value.after
    return shop


async def test_its_orders_wait_and_a_person_is_told_once() -> None:
    shop = await unclear()

    assert "Set source_location_id" in shop.stored.reviews[REVIEW]["advice"]
    assert shop.points.passed.count("reviews.open") == 1
    assert shop.heartland.all("orders") == []


@pytest.mark.parametrize("restarted", [False, True])
async def test_once_it_works_the_review_is_closed(restarted: bool) -> None:
    shop = await unclear()
    shop.heartland.made_locations = shop.locations
    if restarted:
        shop.restart()

    result = await shop.deliver(an_order())

    assert result.outcome == "applied"
    assert shop.stored.open_reviews() == set()
