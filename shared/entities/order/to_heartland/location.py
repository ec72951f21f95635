"""Where web orders are booked: location, register, and the location they ship from."""

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


def choose(rules: HeartlandOrderSettings, locations: Sequence[Location]) -> BookingLocation:
    """The location that the settings name, else the only one with a register. Raises Misconfigured, listing all."""
    location = _location(rules, locations)
    stations = [station.id for station in location.stations if station.active]
    station = rules.station_id if rules.station_id is not None else next(iter(stations), None)
    if station is None:
        raise Misconfigured(f"Heartland location {location.id} has no station; set station_id. {_listed(locations)}")
    return BookingLocation(location.id, station, rules.ship_from_location_id or location.id)


def fixed(rules: HeartlandOrderSettings) -> BookingLocation | None:
    """The location where the settings alone determine it."""
    if rules.source_location_id is None or rules.station_id is None:
        return None
    ship_from = rules.ship_from_location_id or rules.source_location_id
    return BookingLocation(rules.source_location_id, rules.station_id, ship_from)


class LocationLookup:
    """The location of one account, read once."""

    def __init__(self, heartland: HeartlandClient, rules: HeartlandOrderSettings) -> None:
        self._heartland = heartland
        self._rules = rules
        self._location = fixed(rules)
        self._lock = asyncio.Lock()

    async def get(self, context: CallContext) -> BookingLocation:
        async with self._lock:
            if self._location is None:
                self._location = choose(self._rules, await read_locations(self._heartland, context))
            return self._location


def _location(rules: HeartlandOrderSettings, locations: Sequence[Location]) -> Location:
    if rules.source_location_id is not None:
        named = [one for one in locations if one.id == rules.source_location_id]
    elif rules.source_location:
        wanted = rules.source_location.strip().lower()
        named = [one for one in locations if wanted in (one.name.lower(), one.public_id.lower())]
    else:
        named = [one for one in locations if any(station.active for station in one.stations)]
    if len(named) != 1:
        raise Misconfigured(f"which Heartland location web orders go to is unclear. {_listed(locations)}")
    return named[0]


def _listed(locations: Sequence[Location]) -> str:
    told = [
        f"{one.id} {one.name} (stations: {', '.join(f'{s.id} {s.name}' for s in one.stations) or 'none'})"
        for one in locations
    ]
    return f"Set source_location_id or source_location. The token sees: {'; '.join(told) or 'no location at all'}"
