from __future__ import annotations

import pytest

from shared.entities.order.heartland.locations import Location, Station
from shared.entities.order.settings import HeartlandOrderSettings
from shared.entities.order.to_heartland.location import BookingLocation, choose_location, location_from_settings
from shared.errors import Misconfigured

ONLINE = Location(id=1, public_id="WEB", name="Online", stations=(Station(id=10, active=False), Station(id=11)))
MAIN = Location(id=2, public_id="MAIN", name="Main Street", stations=(Station(id=20),))
STORE_ROOM = Location(id=3, name="Store room")


@pytest.mark.parametrize(
    ("settings", "locations", "chosen"),
    [
        pytest.param({}, [STORE_ROOM, MAIN], BookingLocation(2, 20, 2), id="the only one with a station"),
        pytest.param({"source_location": "online"}, [ONLINE, MAIN], BookingLocation(1, 11, 1), id="by name"),
        pytest.param({"source_location": "WEB"}, [ONLINE, MAIN], BookingLocation(1, 11, 1), id="by number"),
        pytest.param({"source_location_id": 2}, [ONLINE, MAIN], BookingLocation(2, 20, 2), id="by id"),
        pytest.param(
            {"source_location_id": 1, "station_id": 10, "ship_from_location_id": 3},
            [ONLINE],
            BookingLocation(1, 10, 3),
            id="all",
        ),
    ],
)
def test_where_web_orders_are_booked(
    settings: dict[str, object], locations: list[Location], chosen: BookingLocation
) -> None:
    assert choose_location(HeartlandOrderSettings.model_validate(settings), locations) == chosen


@pytest.mark.parametrize(
    ("settings", "locations"),
    [({}, [ONLINE, MAIN]), ({}, []), ({"source_location": "Moon"}, [MAIN]), ({"source_location_id": 3}, [STORE_ROOM])],
)
def test_what_is_unclear_lists_what_there_is(settings: dict[str, object], locations: list[Location]) -> None:
    with pytest.raises(Misconfigured) as caught:
        choose_location(HeartlandOrderSettings.model_validate(settings), locations)

    assert all(location.name in caught.value.reason for location in locations)


def test_with_both_ids_nothing_is_asked() -> None:
    assert location_from_settings(HeartlandOrderSettings(source_location_id=1, station_id=2)) == BookingLocation(
        1, 2, 1
    )
    assert location_from_settings(HeartlandOrderSettings(source_location_id=1)) is None
