"""The first day: what counts as arrived."""

from __future__ import annotations

from datetime import UTC, datetime

from deploy.local.traffic import order
from services.cli.day import Day, Sent
from services.cli.run import brisk, headline
from tests.support.journal import HOP

SHIPPED = HOP.model_copy(update={"service": "shopify_writer", "entity": "fulfilment", "event_id": "invoice-1"})
LINKED = HOP.model_copy(update={"service": "shopify_writer", "entity": "link"})


def sent(parcels: int = 0) -> Sent:
    return Sent(order(1, 1001, datetime(2026, 3, 1, tzinfo=UTC)), parcels)


def test_an_order_has_arrived_when_heartland_has_it() -> None:
    one = sent()
    one.learn([HOP.model_copy(update={"outcome": "parked"})])
    assert not one.arrived

    one.learn([HOP])
    assert one.arrived
    assert one.heartland_id == "100001"


def test_a_shipped_order_has_arrived_when_shopify_knows_every_parcel() -> None:
    one = sent(parcels=2)
    one.learn([HOP, LINKED, SHIPPED, SHIPPED])
    assert not one.arrived

    one.learn([HOP, SHIPPED, SHIPPED.model_copy(update={"event_id": "invoice-2"})])
    assert one.arrived


def test_the_headline_says_how_the_day_goes() -> None:
    day = Day("http://s", "main", 1, 2, [sent(), sent(parcels=1)])
    assert headline(day) == "first day: 2 of 2 orders sent, 0 done, 1 parcels shipped"

    for one in day.sent:
        one.arrived = True
    assert day.is_over
    assert headline(day) == "first day done: 2 orders in Heartland, 1 shipments back in Shopify"


def test_a_day_that_broke_off_says_why() -> None:
    day = Day("http://s", "main", 1, 2, problem="the sandbox answered 500")

    assert day.is_over
    assert "500" in headline(day)


def test_with_the_sandbox_there_is_no_need_to_be_careful_about_rates() -> None:
    assert brisk({})["HEARTLAND_REQUESTS_PER_SECOND"] == "0"
    assert "HEARTLAND_REQUESTS_PER_SECOND" not in brisk({"HEARTLAND_REQUESTS_PER_SECOND": "4"})
    assert brisk({"HEARTLAND_API_TOKEN": "real"}) == {}
