"""Finds the location and register that web orders are booked to, and the location that they ship from."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from shared.connectors.heartland.client import HeartlandClient
from shared.entities.order.heartland.locations import Location, read_locations
from shared.entities.order.settings import HeartlandOrderSettings
from shared.errors import Misconfigured
from shared.limits.call_context import CallContext


@dataclass(frozen=True, slots=True)
class BookingLocation:
    source_location_id: int
    station_id: int
    ship_from_location_id: int


def choose_location(settings: HeartlandOrderSettings, locations: Sequence[Location]) -> BookingLocation:
    """The location in the settings, else the only one with a register.

    Raises Misconfigured, with a list of all.
    """
    location = _location(settings, locations)
    stations = [station.id for station in location.stations if station.active]
    station = settings.station_id if settings.station_id is not None else next(iter(stations), None)
    if station is None:
        raise Misconfigured(
            f"Heartland location {location.id} has no active station: set station_id. {_choices(locations)}"
        )
    return BookingLocation(location.id, station, settings.ship_from_location_id or location.id)


def location_from_settings(settings: HeartlandOrderSettings) -> BookingLocation | None:
    """The location, if the settings alone determine it."""
    if settings.source_location_id is None or settings.station_id is None:
        return None
    ship_from = settings.ship_from_location_id or settings.source_location_id
    return BookingLocation(settings.source_location_id, settings.station_id, ship_from)


class LocationLookup:
    """The booking location of one account, read once."""

    def __init__(self, heartland: HeartlandClient, settings: HeartlandOrderSettings) -> None:
        self._heartland = heartland
        self._rules = settings
        self._location = location_from_settings(settings)
        self._lock = asyncio.Lock()

    async def get(self, context: CallContext) -> BookingLocation:
        async with self._lock:
            if self._location is None:
                self._location = choose_location(self._rules, await read_locations(self._heartland, context))
            return self._location


def _location(settings: HeartlandOrderSettings, locations: Sequence[Location]) -> Location:
    if settings.source_location_id is not None:
        matching = [location for location in locations if location.id == settings.source_location_id]
    elif settings.source_location:
        name = settings.source_location.strip().lower()
        matching = [location for location in locations if name in (location.name.lower(), location.public_id.lower())]
    else:
        matching = [location for location in locations if any(station.active for station in location.stations)]
    if len(matching) != 1:
        raise Misconfigured(f"the Heartland location for web orders cannot be determined. {_choices(locations)}")
    return matching[0]


def _choices(locations: Sequence[Location]) -> str:
    listed = "; ".join(map(_description, locations)) or "no location"
    return f"Set source_location_id or source_location. The API token can see: {listed}"


def _description(location: Location) -> str:
    stations = ", ".join(f"{station.id} {station.name}" for station in location.stations)
    return f"{location.id} {location.name} (stations: {stations or 'none'})"
